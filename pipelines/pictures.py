"""What lies between the bytes of a thumbnail and the cascade: the codec that keeps it, and its sky."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipelines.image_features import NO_SKY
from pipelines.picture_opening import PictureOpening
from seriatim_errors import DataError
from serving.images.decoding import ImageSource, decoded
from serving.runtime.query import InvalidRequestError

if TYPE_CHECKING:
    from vision_components.codec.codec import Codec
    from vision_components.sky import SkyNetwork

# What a coded picture begins with; it stands here too so that a run without a codec loads no TensorFlow for it.
CODED = b"SeIC"


@dataclass(frozen=True)
class OpenedPicture:
    """A thumbnail as the cascade is to see it.

    Attributes:
        source: the file's own bytes, or uint8 `[height, width, 3]`.
        sky: float32 `[3]`: share of sky, confidence and darkness; empty where nobody asked.
    """

    source: ImageSource
    sky: NDArray[np.float32]


class PictureOpener:
    """Opens thumbnails; what it needs is loaded once, with the first that needs it.

    Args:
        opening: how.
    """

    def __init__(self, opening: PictureOpening) -> None:
        self.opening = opening

    def open(self, content: bytes) -> OpenedPicture:
        """One thumbnail.

        Raises:
            InvalidRequestError: it is a coded picture and there is no codec or not the one that made it, or it is
                damaged; other files are left to whoever reads them unless a sky is looked for.
            DataError: the codec's or the network's folder is not sound.
        """
        source: ImageSource = content
        if content.startswith(CODED):
            source = self._decoded(content)
        if self.opening.sky is None:
            return OpenedPicture(source, NO_SKY)
        pixels = np.asarray(decoded(source, "thumbnail")) if isinstance(source, bytes) else source
        from vision_components.sky import improve, sky_features

        found = np.array(list(sky_features(pixels, self._network).as_row().values()), np.float32)
        return OpenedPicture(improve(pixels, self._network).photo if self.opening.improve_sky else pixels, found)

    def _decoded(self, content: bytes) -> NDArray[np.uint8]:
        if self.opening.codec is None:
            raise InvalidRequestError("thumbnail", "is a coded picture; name the codec that made it in images.codec")
        codec = self._codec
        try:
            return codec.decode(content, "thumbnail")
        except DataError as error:
            raise InvalidRequestError("thumbnail", f"cannot be decoded: {error}") from None

    @cached_property
    def _codec(self) -> Codec:
        # Imports TensorFlow.
        from vision_components.codec.codec_folder import load_codec

        assert self.opening.codec is not None
        return load_codec(self.opening.codec)

    @cached_property
    def _network(self) -> SkyNetwork:
        from vision_components.sky import load_network

        assert self.opening.sky is not None
        return load_network(self.opening.sky, threads=1)
