"""`seriatim vision search`: a smaller network within a budget, out of one that is there."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pipelines.network_search import Found


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--images",
    type=click.Path(path_type=Path),
    required=True,
    help="npz file with `images` and `labels`, or a folder with a subfolder of pictures a class.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("runs/search"), show_default=True, help="Folder to write to."
)
@click.option(
    "--budget",
    "budgets",
    type=float,
    multiple=True,
    default=(0.5,),
    show_default=True,
    help="Share of the model's cost that is to be left; several give models one within another.",
)
@click.option(
    "--resource",
    type=click.Choice(["flops", "params", "latency"]),
    default="flops",
    show_default=True,
    help="What the budget is of.",
)
@click.option(
    "--method",
    type=click.Choice(["figs", "morphnet"]),
    default="figs",
    show_default=True,
    help="How widths are searched.",
)
@click.option("--epochs", type=click.IntRange(min=1), default=20, show_default=True, help="Of the search.")
@click.option(
    "--finish",
    type=click.Choice(["fine-tune", "scratch", "none"]),
    help="Training of the small model; its weights are kept, or made anew.  [default: fine-tune; scratch for morphnet]",
)
@click.option("--finish-epochs", type=click.IntRange(min=1), help="Of that training.  [default: as of the search]")
@click.option("--batch-size", type=click.IntRange(min=1), default=64, show_default=True, help="Images in a batch.")
@click.option(
    "--learning-rate", type=click.FloatRange(min=0, min_open=True), default=1e-3, show_default=True, help="Of Adam."
)
@click.option(
    "--pixels",
    type=click.Choice(["0..255", "0..1", "-1..1"]),
    default="0..255",
    show_default=True,
    help="Range of the pixels that the model reads.",
)
@click.option("--pin", multiple=True, help="Regular expression of names of layers that keep their channels.")
@click.option("--device", default="measured", show_default=True, help="For latency: this machine, or one by name.")
@click.option(
    "--round-to", type=click.IntRange(min=1), default=1, show_default=True, help="Widths are multiples of it."
)
@click.option(
    "--held-out",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.2,
    show_default=True,
    help="Share of the images that models are judged by.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of split, weights and batches.")
def search(model: Path, images: Path, out: Path, finish_epochs: int | None, **given: Any) -> None:
    """Make MODEL, a Keras file, smaller: search its widths on images, cut it, train it to the end, write it."""
    # Before TensorFlow is imported, which tells the terminal what it was built for.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.filterwarnings("ignore", category=FutureWarning)
    from pipelines.labelled_images import read_labelled_images
    from pipelines.network_search import SearchChoices, load_network, search_network
    from seriatim_errors import DataError

    given["finish"] = given["finish"] or ("scratch" if given["method"] == "morphnet" else "fine-tune")
    budgets = tuple(sorted(set(given.pop("budgets"))))
    for budget in budgets:
        if not 0 < budget < 1:
            raise DataError(f"--budget {budget:g}; give a share of the model's cost above 0 and below 1")
    if given["method"] == "morphnet" and (len(budgets) > 1 or given["finish"] != "scratch"):
        raise DataError("--method morphnet finds one network with new weights; give one --budget and --finish scratch")
    choices = SearchChoices(budgets=budgets, finish_epochs=finish_epochs or given["epochs"], **given)
    labelled = read_labelled_images(images)
    network = load_network(model)
    shown = _Bar()
    try:
        found = search_network(network, labelled, choices, out, shown)
    finally:
        shown.stop()
    _print(found, out)


def _print(found: list[Found], out: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("model", "cost", "million multiply-adds", "parameters", "accuracy on images held out")
    for one in found:
        table.add_row(
            one.name,
            f"{one.share:.1%}",
            f"{one.multiply_adds / 1e6:.3g}",
            f"{one.parameters:,}",
            f"{one.accuracy:.1%}",
        )
    Console().print(table)
    for one in found:
        for file in one.files:
            click.echo(file)
    click.echo(str(out / "summary.json"))


class _Bar:
    """A bar for each training."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("{task.description:<36}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        )
        self._bar.start()

    def start(self, what: str, steps: int) -> None:
        self._task = self._bar.add_task(what, total=steps)

    def step(self, what: str, done: int) -> None:
        self._bar.update(self._task, description=what, completed=done)

    def stop(self) -> None:
        self._bar.stop()
