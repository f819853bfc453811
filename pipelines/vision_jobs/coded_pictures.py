"""Many picture files through a codec, where one bad file does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from seriatim_errors import DataError
from vision_components.codec import Codec
from vision_components.codec.pictures import read_picture, write_png

SUFFIX = ".seic"


@dataclass(frozen=True)
class CodedFile:
    """One file's outcome.

    Attributes:
        source: what was read.
        target: what was written; None where the file was refused.
        size: bytes of the coded file.
        pixels: of the picture.
        reason: why it was refused, or empty.
    """

    source: Path
    target: Path | None
    size: int = 0
    pixels: int = 0
    reason: str = ""


Told = Callable[[CodedFile], None]


def encode_pictures(codec: Codec, paths: Sequence[Path], out: Path, overwrite: bool, tell: Told) -> list[CodedFile]:
    """Write `out/NAME.seic` for every picture `NAME.*`.

    Args:
        codec: to encode with.
        paths: picture files.
        out: folder, made when absent.
        overwrite: replace files that are there.
        tell: is given each file's outcome when it is known.

    Raises:
        DataError: two pictures would be written to one file.
    """

    def convert(source: Path, target: Path) -> CodedFile:
        picture = read_picture(source)
        content = codec.encode(picture)
        _write(target, lambda partial: partial.write_bytes(content))
        return CodedFile(source, target, len(content), picture.shape[0] * picture.shape[1])

    return _all(paths, out, SUFFIX, overwrite, tell, convert)


def decode_pictures(codec: Codec, paths: Sequence[Path], out: Path, overwrite: bool, tell: Told) -> list[CodedFile]:
    """Write `out/NAME.png` for every coded file `NAME.*`; arguments as `encode_pictures`.

    Raises:
        DataError: two files would be written to one picture.
    """

    def convert(source: Path, target: Path) -> CodedFile:
        try:
            content = source.read_bytes()
        except OSError as error:
            raise DataError(f"{source} cannot be read: {error.strerror}") from error
        picture = codec.decode(content, str(source))
        _write(target, lambda partial: write_png(partial, picture))
        return CodedFile(source, target, len(content), picture.shape[0] * picture.shape[1])

    return _all(paths, out, ".png", overwrite, tell, convert)


def _all(
    paths: Sequence[Path],
    out: Path,
    suffix: str,
    overwrite: bool,
    tell: Told,
    convert: Callable[[Path, Path], CodedFile],
) -> list[CodedFile]:
    targets: dict[Path, Path] = {}
    for source in paths:
        target = out / f"{source.stem}{suffix}"
        if target in targets:
            raise DataError(f"{targets[target]} and {source} would both be written to {target}; rename one")
        targets[target] = source
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"folder {out} cannot be made: {error.strerror}") from error
    done = []
    for target, source in targets.items():
        try:
            if target.exists() and not overwrite:
                raise DataError(f"{target} exists already; give another folder, or --overwrite")
            done.append(convert(source, target))
        except DataError as error:
            done.append(CodedFile(source, None, reason=str(error)))
        tell(done[-1])
    return done


def _write(target: Path, write: Callable[[Path], object]) -> None:
    """A file is there whole or not at all."""
    partial = target.with_name(f".writing-{target.name}")
    try:
        write(partial)
        partial.replace(target)
    except OSError as error:
        raise DataError(f"{target} cannot be written: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)
