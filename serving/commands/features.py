"""`seriatim features`: look at a bundle's features and at those of its items, and copy the latter into Redis."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from seriatim_errors import BundleError, DataError

if TYPE_CHECKING:
    from serving.bundle import Bundle
    from serving.features import LmdbStore

BUNDLE = click.option(
    "--bundle", "folder", type=click.Path(path_type=Path), required=True, help="Folder of one bundle."
)


@click.group()
def features() -> None:
    """What a bundle's models read, and the features of items that the service looks up for requests without any."""


@features.command()
@BUNDLE
@click.option(
    "--redis",
    "url",
    default="redis://127.0.0.1:6379/0",
    show_default=True,
    envvar="SERIATIM_REDIS_URL",
    help="Address of Redis; one with a password is better given as SERIATIM_REDIS_URL.",
)
@click.option("--prefix", default="seriatim", show_default=True, help="First part of every key.")
def load(folder: Path, url: str, prefix: str) -> None:
    """Copy the item features of a bundle into Redis."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from serving.features.redis_loading import load_redis

    _, store = _opened(folder)
    try:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        # On standard error: standard output holds the result alone.
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task("items", total=store.schema.items)
            loaded = load_redis(store, url, prefix, lambda items: bar.update(task, completed=items))
    finally:
        store.close_now()
    removed = f"; {loaded.removed} keys of other columns removed" if loaded.removed else ""
    click.echo(f"{loaded.items} items with {len(store.schema.features)} features under prefix {prefix!r}{removed}")


@features.command()
@click.argument("item_ids", metavar="ITEM_ID...", nargs=-1, required=True)
@BUNDLE
def show(item_ids: tuple[str, ...], folder: Path) -> None:
    """Print the features of items, as the service would look them up."""
    import asyncio

    from rich.console import Console
    from rich.table import Table

    bundle, store = _opened(folder)
    read = bundle.manifest.features
    found = asyncio.run(store.lookup(item_ids, read))
    store.close_now()
    if not found.known.any():
        raise DataError(
            f"item features of {folder}: none of {', '.join(map(repr, item_ids))} is known; correct the ids"
        )
    table = Table("feature")
    for item_id, known in zip(item_ids, found.known, strict=True):
        table.add_column(item_id if known else f"{item_id} (unknown)", justify="right")
    for name, values in zip(read.item, found.matrix.T.tolist(), strict=True):
        table.add_row(name, *(f"{value:.7g}" for value in values))
    # Item ids stand as they are: square brackets in them are no mark-up.
    Console(markup=False).print(table)
    if not found.known.all():
        click.echo("the features of unknown items are the bundle's defaults")


@features.command("list")
@click.option(
    "--bundles",
    "root",
    type=click.Path(path_type=Path),
    default=Path("bundles/marketplace"),
    show_default=True,
    help="Folder of bundles; the newest is read.",
)
@click.option(
    "--bundle", "folder", type=click.Path(path_type=Path), help="Folder of one bundle, in place of the newest."
)
def list_(root: Path, folder: Path | None) -> None:
    """Print what a bundle's models read, in their order."""
    from rich.console import Console
    from rich.table import Table

    from serving.bundle import newest_bundle, open_bundle

    manifest = (newest_bundle(root) if folder is None else open_bundle(folder)).manifest
    read = manifest.features
    table = Table("column", "feature", "of", "of an unknown item")
    for column, name in enumerate(read.context):
        table.add_row(str(column), name, "request", "")
    for column, name in enumerate(read.item, start=len(read.context)):
        table.add_row(str(column), name, "item", f"{read.defaults.get(name, 0.0):.7g}")
    # Names stand as they are: square brackets in them are no mark-up.
    Console(markup=False).print(table)
    click.echo(f"bundle {manifest.version}: {', '.join(stage.kind for stage in manifest.stages)}")


def _opened(folder: Path) -> tuple[Bundle, LmdbStore]:
    """The bundle and its item features.

    Raises:
        BundleError: one of them is not sound, or there are no item features.
    """
    from serving.bundle import open_bundle
    from serving.features import bundle_features

    bundle = open_bundle(folder)
    store = bundle_features(bundle)
    if store is None:
        raise BundleError(
            f"{folder} holds no item features; run the pipeline with serving.item_features, or use another version"
        )
    return bundle, store
