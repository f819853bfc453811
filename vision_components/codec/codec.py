"""A trained codec: pictures to bytes and back."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from seriatim_errors import DataError
from vision_components.codec import bitstream
from vision_components.codec.bitstream import CodedPicture
from vision_components.codec.density import SCALE_COUNT
from vision_components.codec.design import HYPER_STRIDE, LATENT_STRIDE, PICTURE_CHANNELS, CodecDesign
from vision_components.codec.entropy_tables import EntropyTable
from vision_components.codec.fixed_point import FixedPointHyperDecoder, SideInformation
from vision_components.codec.range_coding import decode_symbols, encode_symbols
from vision_components.codec.tiles import in_tiles

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class EntropyModel:
    """What encoder and decoder must share to the last bit.

    Attributes:
        hyper_decoder: from hyper-latents to means and scales of the latents.
        hyper_table: a row for each channel of the hyper-latents.
        latent_table: a row for each scale.
    """

    hyper_decoder: FixedPointHyperDecoder
    hyper_table: EntropyTable
    latent_table: EntropyTable

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All numbers under names of their own."""
        tables = {"hyper": self.hyper_table, "latent": self.latent_table}
        parts = {f"{name}_lookup": table.lookup for name, table in tables.items()}
        parts |= {f"{name}_lowest": table.lowest for name, table in tables.items()}
        return {**self.hyper_decoder.arrays(), **parts}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> EntropyModel:
        """What `arrays` gave."""
        tables = [EntropyTable(arrays[f"{name}_lookup"], arrays[f"{name}_lowest"]) for name in ("hyper", "latent")]
        return cls(FixedPointHyperDecoder.from_arrays(arrays), *tables)


@dataclass(frozen=True)
class Latents:
    """A picture between the two halves of coding.

    Attributes:
        height: in pixels, as is `width`.
        hyper_symbols: int32 `[height / 64, width / 64, channels]`, of padded sides.
        symbols: int32 `[height / 16, width / 16, latents]`: distances from the means.
        values: float32, the same shape: what the decoder's network reads.
    """

    height: int
    width: int
    hyper_symbols: NDArray[np.int32]
    symbols: NDArray[np.int32]
    values: Floats


class Codec:
    """Codes uint8 RGB pictures of any size up to 2^25 pixels.

    Args:
        design: widths of the networks.
        analysis: of `networks.analysis`.
        hyper_analysis: of `networks.hyper_analysis`.
        synthesis: of `networks.synthesis`; may be narrower than the design's, or be trained anew.
        entropy: the shared tables and whole-number network.
        training: how the codec was trained, for people.
        draw: runs the synthesis in place of Keras, float32 `[1, height, width, latents]` to pictures of 0 to 1.

    Raises:
        DataError: a network or a table is of other widths than the design.
    """

    def __init__(
        self,
        design: CodecDesign,
        analysis: tf.keras.Model,
        hyper_analysis: tf.keras.Model,
        synthesis: tf.keras.Model,
        entropy: EntropyModel,
        training: dict[str, Any] | None = None,
        draw: Callable[[Floats], Floats] | None = None,
    ) -> None:
        self.design, self.entropy, self.training = design, entropy, dict(training or {})
        self.analysis, self.hyper_analysis, self.synthesis = analysis, hyper_analysis, synthesis
        _check_widths(design, analysis, hyper_analysis, synthesis, entropy)
        self._analyse = compiled(analysis, PICTURE_CHANNELS)
        self._hyper_analyse = compiled(hyper_analysis, design.latents)
        self._draw = draw or compiled(synthesis, design.latents)

    @functools.cached_property
    def coder_id(self) -> bytes:
        """8 bytes that name what gives latents their meaning and their code: all but the synthesis.

        Codecs that differ in the synthesis alone read one another's files.
        """
        digest = hashlib.sha256()
        for name, values in sorted(self.entropy.arrays().items()):
            digest.update(name.encode() + np.ascontiguousarray(values).tobytes())
        for network in (self.analysis, self.hyper_analysis):
            for values in network.get_weights():
                digest.update(np.ascontiguousarray(values).tobytes())
        return digest.digest()[: bitstream.CODER_ID_BYTES]

    def with_synthesis(self, synthesis: tf.keras.Model, training: dict[str, Any] | None = None) -> Codec:
        """The same codec with another network behind the latents; it reads and writes the same files."""
        parts = (self.design, self.analysis, self.hyper_analysis, synthesis, self.entropy)
        return Codec(*parts, self.training if training is None else training)

    def encode(self, picture: NDArray[np.uint8]) -> bytes:
        """A picture uint8 `[height, width, 3]` as bytes.

        Raises:
            DataError: it is of another type or shape, or too large, or the codec's weights are broken.
        """
        return self.pack(self.latents(picture))

    def decode(self, content: bytes, name: str = "stream") -> NDArray[np.uint8]:
        """What `encode` made bytes of, as uint8 `[height, width, 3]`.

        Raises:
            DataError: the bytes are no coded picture, damaged, cut off, of another version or of another codec.
        """
        return self.synthesise(self.unpack(content, name))

    def latents(self, picture: NDArray[np.uint8]) -> Latents:
        """The first half of encoding: rounded latents."""
        _check(picture)
        height, width = picture.shape[:2]
        edges = [(0, bitstream.padded(side) - side) for side in (height, width)]
        shown = np.pad(picture, [*edges, (0, 0)], mode="reflect").astype(np.float32) / 255
        latents = in_tiles(self._analyse, shown, LATENT_STRIDE, 1)
        hyper = self._hyper_analyse(latents[np.newaxis])[0]
        if not (np.isfinite(latents).all() and np.isfinite(hyper).all()):
            raise DataError("the codec's encoder answers with values that are no numbers; train another codec")
        hyper_symbols = np.rint(hyper).astype(np.int32)
        side = self.entropy.hyper_decoder(hyper_symbols)
        symbols = np.rint(latents - side.values).astype(np.int32)
        return Latents(height, width, hyper_symbols, symbols, side.around(symbols))

    def latents_of_patches(self, patches: NDArray[np.uint8]) -> Floats:
        """What the decoder's network reads of each patch by itself; a batch at a time, to train on.

        Args:
            patches: uint8 `[patches, height, width, 3]`, sides divisible by 64.

        Returns:
            Float32 `[patches, height / 16, width / 16, latents]`.
        """
        all_latents = self._analyse(patches.astype(np.float32) / 255)
        all_hyper = np.rint(self._hyper_analyse(all_latents)).astype(np.int32)
        sides = [self.entropy.hyper_decoder(hyper) for hyper in all_hyper]
        return np.stack(
            [
                side.around(np.rint(latents - side.values).astype(np.int32))
                for latents, side in zip(all_latents, sides, strict=True)
            ]
        )

    def pack(self, latents: Latents) -> bytes:
        """The second half of encoding: latents as bytes."""
        side = self.entropy.hyper_decoder(latents.hyper_symbols)
        hyper_rows = _channel_rows(latents.hyper_symbols.shape)
        picture = CodedPicture(
            self.coder_id,
            latents.height,
            latents.width,
            encode_symbols(latents.hyper_symbols, hyper_rows, self.entropy.hyper_table),
            encode_symbols(latents.symbols, side.rows, self.entropy.latent_table),
            bitstream.symbol_check(latents.hyper_symbols, latents.symbols),
        )
        return bitstream.to_bytes(picture)

    def unpack(self, content: bytes, name: str = "stream") -> Latents:
        """The first half of decoding: bytes to latents, exactly those that were packed.

        Raises:
            DataError: as `decode`.
        """
        picture = bitstream.from_bytes(content, name)
        if picture.coder_id != self.coder_id:
            raise DataError(
                f"{name} was made by codec {picture.coder_id.hex()}, this is {self.coder_id.hex()}; give the one that "
                "made it"
            )
        height, width = (side // HYPER_STRIDE for side in picture.padded_size)
        hyper_rows = _channel_rows((height, width, self.design.hyper_encoder[-1]))
        hyper_symbols = decode_symbols(picture.hyper_latents, hyper_rows, self.entropy.hyper_table)
        side: SideInformation = self.entropy.hyper_decoder(hyper_symbols)
        symbols = decode_symbols(picture.latents, side.rows, self.entropy.latent_table)
        if bitstream.symbol_check(hyper_symbols, symbols) != picture.symbol_check:
            raise DataError(f"{name} decodes to other numbers than were coded; its codec or its data are not the same")
        return Latents(picture.height, picture.width, hyper_symbols, symbols, side.around(symbols))

    def synthesise(self, latents: Latents) -> NDArray[np.uint8]:
        """The second half of decoding: latents to a picture."""
        shown = in_tiles(self._draw, latents.values, 1, LATENT_STRIDE)[: latents.height, : latents.width]
        return np.clip(np.rint(shown * 255), 0, 255).astype(np.uint8)


def compiled(network: tf.keras.Model, channels: int) -> Callable[[Floats], Floats]:
    """The network as one graph for all sizes, arrays in and out."""
    graph = tf.function(
        lambda values: network(values, training=False),
        input_signature=[tf.TensorSpec((None, None, None, channels), tf.float32)],
        autograph=False,
    )
    return lambda values: graph(tf.constant(values, tf.float32)).numpy()


def _check_widths(
    design: CodecDesign,
    analysis: tf.keras.Model,
    hyper_analysis: tf.keras.Model,
    synthesis: tf.keras.Model,
    entropy: EntropyModel,
) -> None:
    hyper = design.hyper_encoder[-1]
    found = {
        "the encoder's latents": (analysis.output_shape[-1], design.latents),
        "the hyper-encoder's hyper-latents": (hyper_analysis.output_shape[-1], hyper),
        "the decoder's inputs": (synthesis.input_shape[-1], design.latents),
        "the decoder's outputs": (synthesis.output_shape[-1], PICTURE_CHANNELS),
        "the hyper-decoder's inputs": (entropy.hyper_decoder.kernels[0].shape[3], hyper),
        "the hyper-decoder's outputs": (entropy.hyper_decoder.kernels[2].shape[3], 2 * design.latents),
        "the rows of the hyper-latents' table": (len(entropy.hyper_table.lowest), hyper),
        "the rows of the latents' table": (len(entropy.latent_table.lowest), SCALE_COUNT),
    }
    for name, (width, wanted) in found.items():
        if width != wanted:
            raise DataError(f"{name} are {width} where the design has {wanted}; give the design that was trained")


def _channel_rows(shape: tuple[int, ...]) -> NDArray[np.int32]:
    return np.broadcast_to(np.arange(shape[-1], dtype=np.int32), shape)


def _check(picture: NDArray[np.uint8]) -> None:
    shape = list(np.shape(picture))
    if getattr(picture, "dtype", None) != np.uint8 or len(shape) != 3 or shape[2] != PICTURE_CHANNELS:
        raise DataError(
            f"picture {getattr(picture, 'dtype', type(picture).__name__)} {shape}; give uint8 [height, width, 3]: grey "
            "as three equal channels, and nothing transparent"
        )
    bitstream.check_size(shape[0], shape[1])
