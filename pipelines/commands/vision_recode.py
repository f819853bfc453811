"""`seriatim vision recode`: a catalogue's thumbnails as coded pictures."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("catalogue", type=click.Path(path_type=Path))
@click.option("--codec", "codec_folder", type=click.Path(path_type=Path), required=True, help="Folder of the codec.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The new catalogue.")
@click.option("--column", default="thumbnail", show_default=True, help="Column with the image files' bytes.")
def recode(catalogue: Path, codec_folder: Path, out: Path, column: str) -> None:
    """Write a catalogue with coded thumbnails, for a run with `images.codec`."""
    from rich.console import Console
    from rich.progress import Progress

    from pipelines.vision_jobs.recoded_catalogue import recode_catalogue
    from vision_components.codec import load_codec

    console = Console(highlight=False, soft_wrap=True)
    codec = load_codec(codec_folder)
    with Progress(console=console, transient=True) as shown:
        task = shown.add_task("coding", total=None)
        done = recode_catalogue(catalogue, column, codec, out, lambda rows: shown.advance(task, rows))
    share = f"{done.after / done.before:.0%}" if done.before else "none"
    console.print(
        f"{out}: {done.thumbnails} thumbnails coded, {done.kept} kept as they are; "
        f"{done.before} bytes before, {done.after} after ({share})",
        markup=False,
    )
