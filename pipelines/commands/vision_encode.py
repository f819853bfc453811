"""`seriatim vision encode`: pictures to small files."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("images", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--codec", "codec_folder", type=click.Path(path_type=Path), required=True, help="Folder of the codec.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("coded"), show_default=True, help="Folder to write to."
)
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
def encode(images: tuple[Path, ...], codec_folder: Path, out: Path, overwrite: bool) -> None:
    """Code pictures, or all pictures in folders, with a codec of `train-codec`."""
    from pipelines.commands.vision_progress import through_codec, without_notices

    without_notices()
    from pipelines.coded_pictures import encode_pictures
    from vision_components.codec.pictures import pictures_below

    paths = pictures_below(list(images))
    through_codec(encode_pictures, "encoding", codec_folder, "keras", paths, out, overwrite)
