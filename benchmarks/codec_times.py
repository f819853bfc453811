"""How long the two halves of decoding take with several decoders and with JPEG, in turns within one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.codec_rivals import opened
from vision_components.codec import Codec

TURNS = 9


def decode_seconds(
    codecs: Mapping[str, Codec], picture: NDArray[np.uint8], jpeg: bytes
) -> tuple[dict[str, float], float, float]:
    """Median seconds of drawing the picture with each codec, of its entropy decoding, and of decoding a JPEG file.

    Args:
        codecs: which differ in the decoder alone, so that entropy decoding is the same.
        picture: to code.
        jpeg: a file of the same picture.
    """
    first = next(iter(codecs.values()))
    content = first.encode(picture)
    latents = first.unpack(content)
    tasks: dict[str, Callable[[], Any]] = {
        name: (lambda codec=codec: codec.synthesise(latents)) for name, codec in codecs.items()
    }
    tasks |= {"entropy": lambda: first.unpack(content), "jpeg": lambda: opened(jpeg)}
    taken: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(TURNS + 1):
        for name, task in tasks.items():
            begun = time.perf_counter()
            task()
            taken[name].append(time.perf_counter() - begun)
    # The first turn builds the graphs.
    medians = {name: float(np.median(seconds[1:])) for name, seconds in taken.items()}
    return {name: medians[name] for name in codecs}, medians["entropy"], medians["jpeg"]
