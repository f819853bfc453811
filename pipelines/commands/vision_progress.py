"""What the commands of the image codec show while they work, and how they end."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.console import Console

    from pipelines.vision_jobs.coded_pictures import CodedFile
    from vision_components.codec import TrainingState


def without_notices() -> None:
    """Keep from the terminal what TensorFlow tells about itself while it is imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.filterwarnings("ignore", category=FutureWarning)


def through_codec(
    convert: Callable[..., list[CodedFile]],
    word: str,
    codec_folder: Path,
    runtime: str,
    paths: list[Path],
    out: Path,
    overwrite: bool,
) -> None:
    """Convert files with a progress bar, say what was written, and fail where a file was refused.

    Raises:
        DataError: the codec cannot be loaded, or files were refused, of which the others are written.
    """
    from rich.console import Console
    from rich.progress import Progress

    from seriatim_errors import DataError
    from vision_components.codec import load_codec

    codec = load_codec(codec_folder, runtime)  # type: ignore[arg-type]
    console = Console(highlight=False, soft_wrap=True)
    with Progress(console=console, transient=True) as shown:
        task = shown.add_task(word, total=len(paths))

        def tell(one: CodedFile) -> None:
            shown.advance(task)
            came = "from " if word == "decoding" else ""
            rate = f"{came}{one.size} bytes, {8 * one.size / max(one.pixels, 1):.3f} bits per pixel"
            console.print(f"{one.target}: {rate}" if one.target else f"refused: {one.reason}", markup=False)

        done = convert(codec, paths, out, overwrite, tell)
    refused = [one for one in done if one.target is None]
    if refused:
        raise DataError(f"{len(refused)} of {len(done)} files refused, {len(done) - len(refused)} written to {out}")
    console.print(f"{out}: {len(done)} files", markup=False)


def pictures_told(
    console: Console, images: Sequence[Path], patch: int, most: int, seed: int
) -> list[NDArray[np.uint8]]:
    """Pictures to train on, uint8 `[height, width, 3]`; tells which files were left out.

    Raises:
        DataError: a path does not exist, or no picture is left.
    """
    from pipelines.vision_jobs.training_pictures import read_training_pictures

    found = read_training_pictures(images, patch, most, seed)
    for line in found.left_out:
        console.print(line, markup=False)
    return found.pictures


def require_absent(out: Path) -> None:
    """Raise `DataError` where there is something already."""
    from seriatim_errors import DataError

    if out.exists():
        raise DataError(f"{out} exists already; a codec is never overwritten, give another folder")


@contextlib.contextmanager
def training_shown(console: Console, words: str, steps: int) -> Iterator[Callable[[TrainingState], None]]:
    """A bar of steps with the last rate and quality; what it yields is told the state of the training."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task(words, total=steps)

        def tell(state: TrainingState) -> None:
            rate = f"{state.bits_per_pixel:.3f} bits per pixel, " if state.bits_per_pixel else ""
            shown.update(task, completed=state.step, description=f"{rate}{state.psnr:.2f} dB")

        yield tell
