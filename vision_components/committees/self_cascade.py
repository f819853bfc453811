"""A cascade of one model with itself, at rising resolutions."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from seriatim_errors import DataError
from vision_components.committees.cascade import Cascade
from vision_components.committees.confidence import Confidence
from vision_components.committees.members import CascadeStage
from vision_components.committees.routing import Combine


@tf.keras.saving.register_keras_serializable("seriatim")
class SelfCascade(Cascade):
    """One model at several resolutions: small images first, larger ones where it is not sure.

    Args:
        model: for images of any size, that is with global pooling; answers as a `CascadeStage`'s.
        resolutions: heights and widths, rising.
        thresholds, confidence, combine, name: as of `Cascade`.

    Raises:
        DataError: resolutions do not rise, or the model reads one size alone.
    """

    def __init__(
        self,
        model: tf.keras.Model,
        resolutions: Sequence[tuple[int, int]],
        thresholds: Sequence[float],
        confidence: Confidence = "max_probability",
        combine: Combine = "mean",
        name: str | None = None,
    ) -> None:
        sizes = [(int(height), int(width)) for height, width in resolutions]
        if any(before[0] * before[1] >= after[0] * after[1] for before, after in itertools.pairwise(sizes)):
            raise DataError(f"resolutions {sizes}; give them from small to large")
        if len(sizes) > 1 and None not in model.input_shape[1:3]:
            raise DataError(f"{model.name} reads images of {model.input_shape[1:3]}; build it for open sizes")
        super().__init__(
            [CascadeStage(model, resolution=size) for size in sizes], thresholds, confidence, combine, name
        )
        self.resolutions = sizes

    def get_config(self) -> dict[str, Any]:
        """The model, its resolutions and how rows are routed."""
        described = super().get_config()
        return {"model": described.pop("stages")[0]["model"], "resolutions": self.resolutions, **described}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> SelfCascade:
        """The cascade that `get_config` described."""
        model = tf.keras.saving.deserialize_keras_object(config["model"], custom_objects)
        return cls(**{**config, "model": model})
