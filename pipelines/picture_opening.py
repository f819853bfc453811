"""How thumbnails are opened before a cascade reads them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from seriatim_errors import DataError

CODEC_FILE, SKY_FILE = "codec.json", "sky.json"


class PictureOpening(BaseModel):
    """How thumbnails are opened, as it travels to workers.

    Attributes:
        codec: folder of the codec that coded pictures are of; None where there are none.
        sky: folder of the network that finds skies; None for no features of skies.
        improve_sky: whether the cascade sees photos with better skies.
    """

    model_config = ConfigDict(frozen=True)

    codec: Path | None = None
    sky: Path | None = None
    improve_sky: bool = False

    def version(self) -> str:
        """16 hex digits that stand for codec, network and improvement, `plain` for none: features differ between them.

        Raises:
            DataError: a folder holds no such thing.
        """
        if self == PictureOpening():
            return "plain"
        described = {}
        for name, folder, file in (("codec", self.codec, CODEC_FILE), ("sky", self.sky, SKY_FILE)):
            if folder is None:
                continue
            try:
                described[name] = (folder / file).read_text(encoding="utf-8")
            except OSError:
                raise DataError(
                    f"images.{name} {folder} holds no {file}; name a folder that `seriatim vision train-{name}` wrote"
                ) from None
        return hashlib.sha256(json.dumps([described, self.improve_sky]).encode()).hexdigest()[:16]
