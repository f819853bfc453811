"""`seriatim vision train-decoder`: a smaller decoder for the files of a codec that is there."""

from __future__ import annotations

from pathlib import Path

import click

from pipelines.commands.vision_train_codec import three_widths


@click.command("train-decoder")
@click.argument("images", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--codec", "codec_folder", type=click.Path(path_type=Path), required=True, help="Folder of the codec.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write the new codec to.")
@click.option("--decoder", help="Widths of its three inner layers, such as 26,7,14, in place of a search.")
@click.option(
    "--budget",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.2,
    show_default=True,
    help="Share of the codec's decoder that it may cost; its widths are searched.",
)
@click.option(
    "--activation", type=click.Choice(["gdn", "gdn1", "relu"]), default="gdn1", show_default=True, help="For --decoder."
)
@click.option("--steps", type=click.IntRange(min=20), default=6000, show_default=True, help="Of search and training.")
@click.option("--batch-size", type=click.IntRange(min=1), default=8, show_default=True, help="Patches a step.")
@click.option("--patch", type=click.IntRange(min=64), default=128, show_default=True, help="Pixels; a multiple of 64.")
@click.option("--max-images", type=click.IntRange(min=1), default=2000, show_default=True, help="To hold in memory.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of weights and patches.")
def train_decoder(
    images: tuple[Path, ...],
    codec_folder: Path,
    out: Path,
    decoder: str | None,
    budget: float,
    activation: str,
    steps: int,
    batch_size: int,
    patch: int,
    max_images: int,
    seed: int,
) -> None:
    """Train a decoder of given or searched widths; it reads the files of the codec, which stays as it is."""
    from pipelines.commands.vision_progress import pictures_told, require_absent, training_shown, without_notices

    without_notices()
    from rich.console import Console

    from vision_components.codec import TrainingPlan, load_codec, save_codec, train_synthesis
    from vision_components.codec import train_decoder as train
    from vision_components.codec.decoder_search import search_decoder

    require_absent(out)
    console = Console(highlight=False, soft_wrap=True)
    codec = load_codec(codec_folder)
    plan = TrainingPlan(steps=steps, batch_size=batch_size, patch=patch, seed=seed)
    pictures = pictures_told(console, images, patch, max_images, seed)
    if decoder is not None:
        widths = three_widths(decoder)
        with training_shown(console, "training", steps) as tell:
            made = train(codec, pictures, widths, activation, plan, tell)
    else:
        with console.status(f"searching a decoder of {budget:g} of the cost"):
            [found] = search_decoder(codec, pictures, [budget], plan)
        widths = found.widths
        with training_shown(console, "training", steps) as tell:
            train_synthesis(codec, found.network, pictures, plan, tell)
        made = codec.with_synthesis(found.network, {**codec.training, "decoder": list(widths), "budget": budget})
    save_codec(made, out)
    shown = ", ".join(map(str, widths))
    console.print(f"{out}: a decoder of widths {shown} for files of codec {made.coder_id.hex()}", markup=False)
