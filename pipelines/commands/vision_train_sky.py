"""`seriatim vision train-sky`: train the network that finds skies."""

from __future__ import annotations

import os
from pathlib import Path

import click

from seriatim_errors import DataError

WIDTHS = "16,32,64,128"


@click.command("train-sky")
@click.argument("photos", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="New folder to write the network to.")
@click.option("--held-out", type=click.Path(path_type=Path), help="Labelled photos to measure the network by.")
@click.option("--steps", type=click.IntRange(1), default=1500, show_default=True, help="Batches to train on.")
@click.option("--batch-size", type=click.IntRange(1), default=8, show_default=True, help="Photos in a batch.")
@click.option(
    "--learning-rate", type=click.FloatRange(0, min_open=True), default=2e-3, show_default=True, help="Learning rate."
)
@click.option("--side", type=click.IntRange(16), default=256, show_default=True, help="Pixels a side that it reads.")
@click.option("--widths", default=WIDTHS, show_default=True, help="Channels of its levels, from the finest.")
@click.option("--start", type=click.Path(path_type=Path), help="Train this sky.keras on, in place of a new network.")
@click.option("--refine", is_flag=True, help="Fill unlabelled gaps and soften the masks' edges first.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of weights and batches.")
def train_sky(
    photos: Path,
    out: Path,
    held_out: Path | None,
    steps: int,
    batch_size: int,
    learning_rate: float,
    side: int,
    widths: str,
    start: Path | None,
    refine: bool,
    seed: int,
) -> None:
    """Train on PHOTOS: a folder or tar file of NAME.jpg with NAME_sky.png (255 sky, 0 not, 128 unlabelled)."""
    if out.exists():
        raise DataError(f"--out {out} exists already; name a new folder")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"--out {out} cannot be written: {error.strerror}; name a new folder") from None
    channels = _channels(widths)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from vision_components.sky.labelled_photos import read_labelled_photos, sky_examples

    measured_by = None if held_out is None else list(read_labelled_photos(held_out))
    labelled = read_labelled_photos(photos)
    click.echo("loading TensorFlow")

    import tensorflow as tf

    from vision_components.sky.export import export_network
    from vision_components.sky.segmentation import load_unet, unet
    from vision_components.sky.training import TrainingSettings, train

    tf.keras.utils.set_random_seed(seed)
    model = unet(side, channels) if start is None else load_unet(start)
    examples = sky_examples(labelled, model.input_shape[1], refine)
    click.echo(f"training on {len(examples)} photos")
    columns = TextColumn("loss {task.fields[loss]:.4f}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, transient=True) as progress:
        task = progress.add_task("", total=steps, loss=float("nan"))
        losses = train(
            model,
            examples,
            TrainingSettings(steps, batch_size, learning_rate, seed),
            lambda step, loss: progress.update(task, completed=step, loss=loss),
        )
    training = {
        "photos": len(examples),
        "steps": steps,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "seed": seed,
        "refine": refine,
    }
    export_network(model, out, examples.photos[:4], training | {"last_loss": losses[-1]})
    click.echo(f"network: {out}")
    if measured_by is not None:
        _say_how_good(out, measured_by)


def _channels(widths: str) -> tuple[int, ...]:
    try:
        return tuple(int(width) for width in widths.split(","))
    except ValueError:
        raise DataError(f"--widths {widths!r}; give whole numbers with commas between, such as {WIDTHS}") from None


def _say_how_good(folder: Path, photos: list) -> None:
    from rich.console import Console
    from rich.table import Table

    from vision_components.sky.evaluation import evaluate
    from vision_components.sky.network import load_network

    found = evaluate(load_network(folder), photos)
    table = Table("measure", *found, title=f"{len(photos)} held-out photos", title_justify="left")
    for name in found["enlarged"]:
        table.add_row(name, *(f"{measures[name]:.4f}" for measures in found.values()))
    Console().print(table)
