"""The configuration's section on thumbnails."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipelines.locations import LocalPath
from pipelines.picture_opening import PictureOpening
from seriatim_config import Section

BACKBONE = r"^(resnet\d+_\d+|(mobilenet|efficientnet)_\d*\.?\d+)$"


class ImagesConfig(Section):
    """Thumbnails of the catalogue, read by a cascade of backbones: what it says becomes features of the items."""

    column: str = Field("thumbnail", min_length=1, description="Column of `data.items` with the image files' bytes.")
    cascade: LocalPath | None = Field(None, description="Folder of an exported cascade; null: one is trained.")
    class_column: str = Field(
        "thumbnail_class", min_length=1, description="Column with the classes to train it on; null where unknown."
    )
    backbones: tuple[Annotated[str, Field(pattern=BACKBONE)], ...] = Field(
        ("resnet8_8", "resnet8_16"),
        min_length=1,
        max_length=6,
        description="The pool that the cascade is chosen from, by name.",
    )
    searched: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        (),
        max_length=3,
        description="Shares of the largest backbone's FLOPs, rising: a search of its widths adds one member each.",
    )
    search_epochs: int = Field(30, ge=1, description="Passes over the labelled thumbnails, for the search.")
    image_size: int = Field(16, ge=8, le=512, description="Side in pixels that images are resized to.")
    embedding_width: int = Field(8, ge=1, le=256, description="Of the embedding that all backbones share.")
    epochs: int = Field(60, ge=1, description="Passes over the labelled thumbnails, for each backbone.")
    batch_size: int = Field(64, ge=1, description="Images in a batch.")
    learning_rate: float = Field(3e-3, gt=0, description="Of Adam, falling along a cosine to nothing.")
    mirror: bool = Field(False, description="Learn mirrored images too; not where sides matter, as in writing.")
    held_out_share: float = Field(0.3, gt=0, lt=1, description="Labelled thumbnails that thresholds are set by.")
    confidence: Literal["max_probability", "margin", "entropy"] = Field(
        "max_probability", description="What is compared with the thresholds."
    )
    combine: Literal["mean", "last"] = Field("mean", description="What a stage answers with.")
    codec: LocalPath | None = Field(
        None, description="Folder of the codec that coded thumbnails are of; null: none are."
    )
    sky: LocalPath | None = Field(
        None, description="Folder of a sky network: skies become features; null: they do not."
    )
    improve_sky: bool = Field(False, description="The cascade sees thumbnails with better skies.")
    cache_root: LocalPath = Field(Path("image_cache"), description="Folder of what cascades have said about images.")

    @property
    def opening(self) -> PictureOpening:
        """How thumbnails are opened."""
        return PictureOpening(codec=self.codec, sky=self.sky, improve_sky=self.improve_sky)

    @model_validator(mode="after")
    def _skies_are_found_before_they_are_improved(self) -> ImagesConfig:
        if self.improve_sky and self.sky is None:
            raise ValueError("improve_sky is true and sky is null; name a sky network, or leave improve_sky out")
        return self

    @model_validator(mode="after")
    def _searched_shares_rise(self) -> ImagesConfig:
        if list(self.searched) != sorted(set(self.searched)):
            raise ValueError(f"searched is {list(self.searched)}; give rising shares, each once")
        return self

    @model_validator(mode="after")
    def _backbones_exist_and_differ(self) -> ImagesConfig:
        for place, backbone in enumerate(self.backbones):
            depth = re.match(r"resnet(\d+)", backbone)
            if depth is not None and (int(depth[1]) < 8 or (int(depth[1]) - 2) % 6):
                raise ValueError(f"backbones.{place} is {backbone}; residual networks have 8, 14, 20, 32, 56 layers")
            if backbone in self.backbones[:place]:
                raise ValueError(f"backbones.{place} stands twice in the pool; keep each once")
        return self
