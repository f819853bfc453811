"""Which networks a codec has, and what its decoder costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from seriatim_errors import DataError

# The picture shrinks 16 times to latents and another 4 times to hyper-latents.
LATENT_STRIDE, HYPER_STRIDE = 16, 64
PICTURE_CHANNELS = 3
WIDEST = 4096


@dataclass(frozen=True)
class CodecDesign:
    """Channels of the networks of a mean-scale hyperprior codec (Minnen et al., arXiv 1809.02736, without context).

    Attributes:
        encoder: of the three inner layers that lead from picture to latents.
        latents: of y, what the decoder reads.
        hyper_encoder: of the three layers that lead from y to z; the last are the hyper-latents.
        hyper_decoder: of the two inner layers that lead from z to means and scales; the last always has 2 * latents.
        decoder: of the three inner layers that lead from latents to picture.
        encoder_activation: `gdn`, `gdn1` or `relu`.
        decoder_activation: the same.
    """

    encoder: tuple[int, int, int] = (64, 64, 64)
    latents: int = 96
    hyper_encoder: tuple[int, int, int] = (64, 64, 64)
    hyper_decoder: tuple[int, int] = (64, 96)
    decoder: tuple[int, int, int] = (64, 64, 64)
    encoder_activation: str = "gdn1"
    decoder_activation: str = "gdn1"

    def __post_init__(self) -> None:
        """Raise `DataError` where a width is no whole number from 1 to 4096, or one is missing."""
        lengths = {"encoder": 3, "hyper_encoder": 3, "hyper_decoder": 2, "decoder": 3}
        for name, length in lengths.items():
            widths = tuple(getattr(self, name))
            object.__setattr__(self, name, widths)
            if len(widths) != length:
                raise DataError(f"{name} widths {list(widths)}; give {length}")
        for name in (*lengths, "latents"):
            value = getattr(self, name)
            for width in value if isinstance(value, tuple) else (value,):
                if not isinstance(width, int) or not 1 <= width <= WIDEST:
                    raise DataError(f"{name} width {width!r}; give a whole number from 1 to {WIDEST}")

    def as_json(self) -> dict[str, Any]:
        """What `CodecDesign(**values)` takes."""
        return asdict(self)


def decoder_macs(latents: int, widths: Sequence[int], activation: str = "gdn1") -> float:
    """Multiply-adds per pixel of the decoder from latents to picture, in closed form.

    Layer i of 5x5 transposed convolutions costs 25 times its inputs times its outputs for each of its input pixels, and
    a normalisation the square of its channels for each output pixel.

    Args:
        latents: channels that it reads.
        widths: of its inner layers, from the latents on.
        activation: `relu` costs nothing here.
    """
    channels = [latents, *widths, PICTURE_CHANNELS]
    layers = len(channels) - 1
    cost = 0.0
    for place in range(layers):
        pixels_in = 4.0 ** (place - layers)
        cost += 25 * channels[place] * channels[place + 1] * pixels_in
        if place < layers - 1 and activation != "relu":
            cost += channels[place + 1] ** 2 * 4 * pixels_in
    return cost


def hyper_decoder_macs(hyper_latents: int, widths: Sequence[int], outputs: int) -> float:
    """Multiply-adds per pixel of the hyper-decoder: two 5x5 transposed convolutions, then a 3x3 convolution."""
    first, second = widths
    return 25 * hyper_latents * first / 64**2 + 25 * first * second / 32**2 + 9 * second * outputs / 16**2
