"""`seriatim vision train-codec`: a codec from pictures of one's own."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("train-codec")
@click.argument("images", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write the codec to.")
@click.option(
    "--distortion-weight",
    type=click.FloatRange(min=0, min_open=True),
    default=0.01,
    show_default=True,
    help="More means better pictures in more bytes.",
)
@click.option("--steps", type=click.IntRange(min=1), default=6000, show_default=True, help="Batches to train on.")
@click.option("--channels", type=click.IntRange(1, 4096), default=64, show_default=True, help="Of all inner layers.")
@click.option(
    "--latents", type=click.IntRange(1, 4096), default=96, show_default=True, help="Channels of what is coded."
)
@click.option("--decoder", help="Widths of the decoder's three inner layers, such as 32,16,16.")
@click.option(
    "--activation",
    type=click.Choice(["gdn", "gdn1", "relu"]),
    default="gdn1",
    show_default=True,
    help="Of encoder and decoder.",
)
@click.option("--batch-size", type=click.IntRange(min=1), default=8, show_default=True, help="Patches a step.")
@click.option("--patch", type=click.IntRange(min=64), default=128, show_default=True, help="Pixels; a multiple of 64.")
@click.option("--learning-rate", type=click.FloatRange(min=0, min_open=True), default=None, help="Of Adam.")
@click.option("--max-images", type=click.IntRange(min=1), default=2000, show_default=True, help="To hold in memory.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of weights, patches and noise.")
def train_codec(
    images: tuple[Path, ...],
    out: Path,
    distortion_weight: float,
    steps: int,
    channels: int,
    latents: int,
    decoder: str | None,
    activation: str,
    batch_size: int,
    patch: int,
    learning_rate: float | None,
    max_images: int,
    seed: int,
) -> None:
    """Train a codec on pictures, or on all pictures in folders; what cannot be read is left out and said."""
    from pipelines.commands.vision_progress import pictures_told, require_absent, training_shown, without_notices

    without_notices()
    from rich.console import Console

    from vision_components.codec import CodecDesign, TrainingPlan, decoder_macs, save_codec
    from vision_components.codec import train_codec as train

    require_absent(out)
    console = Console(highlight=False, soft_wrap=True)
    widths = (channels,) * 3 if decoder is None else three_widths(decoder)
    inner = (channels,) * 3
    design = CodecDesign(inner, latents, inner, (channels, latents), widths, activation, activation)
    settings = {} if learning_rate is None else {"learning_rate": learning_rate}
    plan = TrainingPlan(distortion_weight, steps, batch_size, patch, seed=seed, **settings)
    pictures = pictures_told(console, images, patch, max_images, seed)
    with training_shown(console, f"training on {len(pictures)} pictures", steps) as tell:
        codec = train(pictures, design, plan, tell)
    save_codec(codec, out)
    cost = decoder_macs(latents, widths, activation)
    console.print(f"{out}: codec {codec.coder_id.hex()}, decodes with {cost:.0f} multiply-adds per pixel", markup=False)


def three_widths(text: str) -> tuple[int, int, int]:
    """Widths given as `32,16,16`.

    Raises:
        click.BadParameter: they are no three numbers.
    """
    try:
        first, second, third = (int(width) for width in text.split(","))
    except ValueError as error:
        raise click.BadParameter(f"{text!r}; give three widths such as 32,16,16", param_hint="--decoder") from error
    return first, second, third
