"""`seriatim vision decode`: small files back to pictures."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--codec", "codec_folder", type=click.Path(path_type=Path), required=True, help="Folder of the codec.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("decoded"), show_default=True, help="Folder to write to."
)
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
@click.option(
    "--runtime",
    type=click.Choice(["keras", "onnx"]),
    default="keras",
    show_default=True,
    help="What draws the pictures; they may differ by one level of 256.",
)
def decode(files: tuple[Path, ...], codec_folder: Path, out: Path, overwrite: bool, runtime: str) -> None:
    """Write coded files as PNG, with the codec that made them."""
    from pipelines.commands.vision_progress import through_codec, without_notices

    without_notices()
    from pipelines.coded_pictures import decode_pictures

    through_codec(decode_pictures, "decoding", codec_folder, runtime, list(files), out, overwrite)
