"""A cascade of Keras models, as a model that runs everything and as a prediction that does not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from seriatim_errors import DataError
from vision_components.committees.confidence import Confidence, confidence_of
from vision_components.committees.costs import CascadeCosts, costs_of
from vision_components.committees.members import CascadeStage, check_classes
from vision_components.committees.routing import Combine, Routed
from vision_components.committees.tensor_confidence import tensor_confidence


@tf.keras.saving.register_keras_serializable("seriatim")
class Cascade(tf.keras.Model):
    """Asks a cheap model first, and a dearer one about the rows of which the models so far are not sure enough.

    A row leaves at the first stage of which the confidence is at least the threshold. Called as a model, every stage
    reads every row and the answers are chosen by masks: the reference. `predict_adaptive` reads with a later stage only
    the rows that come to it.

    Args:
        stages: by rising cost.
        thresholds: of all but the last; 0 lets every row leave, `NEVER` none.
        confidence: what is compared with them.
        combine: a stage answers with the `mean` of the stages so far, or with its own prediction (`last`).
        name: of the model.

    Raises:
        DataError: there is no stage, thresholds are not one fewer, or stages tell different numbers of classes apart.
    """

    def __init__(
        self,
        stages: Sequence[CascadeStage],
        thresholds: Sequence[float],
        confidence: Confidence = "max_probability",
        combine: Combine = "mean",
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.models = [stage.model for stage in stages]
        check_classes(self.models)
        if len(thresholds) != len(stages) - 1:
            raise DataError(f"{len(thresholds)} thresholds for {len(stages)} stages; give one for each but the last")
        self.stages, self.thresholds = tuple(stages), tuple(float(threshold) for threshold in thresholds)
        self.confidence, self.combine = confidence, combine
        self._compiled: list[Callable[[tf.Tensor], tf.Tensor]] = [
            tf.function(stage.probabilities, reduce_retracing=True) for stage in stages
        ]

    def call(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """`probabilities` float32 `[batch, classes]`, `exit_stage` int32 and `confidence` float32 `[batch]`."""
        total = answer = self.stages[0].probabilities(images)
        sure = tensor_confidence(answer, self.confidence)
        exit_stage = tf.zeros_like(sure, tf.int32)
        for place, stage in enumerate(self.stages[1:], start=1):
            goes_on = (exit_stage == place - 1) & (sure < self.thresholds[place - 1])
            own = stage.probabilities(images)
            total += own
            later = total / (place + 1) if self.combine == "mean" else own
            answer = tf.where(goes_on[:, tf.newaxis], later, answer)
            sure = tf.where(goes_on, tensor_confidence(later, self.confidence), sure)
            exit_stage = tf.where(goes_on, place, exit_stage)
        return {"probabilities": answer, "exit_stage": exit_stage, "confidence": sure}

    def predict_adaptive(self, images: NDArray[np.generic], batch_size: int = 32) -> Routed:
        """Predict, each stage reading only the rows that come to it, gathered from all batches.

        Batches are filled up to a power of two with copies of their first row, so that few shapes occur: a device
        prepares itself for each shape anew.

        Args:
            images: `[rows, height, width, channels]`; no rows are allowed.
            batch_size: of a stage, 1 or more.

        Returns:
            What the model called as such answers, in the order of the rows.
        """
        if batch_size < 1:
            raise DataError(f"batch_size {batch_size}; give 1 or more")
        rows = len(images)
        coming, totals = np.arange(rows), np.zeros((rows, self.classes), np.float32)
        routed = Routed(np.zeros_like(totals), np.zeros(rows, np.int64), np.zeros(rows, np.float32))
        for place, compiled in enumerate(self._compiled):
            own = self._read(compiled, images, coming, batch_size)
            totals = totals + own
            answer = totals / np.float32(place + 1) if self.combine == "mean" else own
            sure = confidence_of(answer, self.confidence)
            routed.probabilities[coming], routed.exit_stage[coming], routed.confidence[coming] = answer, place, sure
            if place < len(self.thresholds):
                goes_on = sure < np.float32(self.thresholds[place])
                coming, totals = coming[goes_on], totals[goes_on]
        return routed

    def costs(self, exit_stage: NDArray[np.integer], input_shape: Sequence[int]) -> CascadeCosts:
        """Expected, best and worst multiply-adds of rows of this shape that left at these stages."""
        return costs_of(exit_stage, [stage.multiply_adds(input_shape) for stage in self.stages])

    def get_config(self) -> dict[str, Any]:
        """Stages and how rows are routed."""
        stages = [
            {
                "model": tf.keras.saving.serialize_keras_object(stage.model),
                "cost": stage.cost,
                "resolution": stage.resolution,
                "temperature": stage.temperature,
            }
            for stage in self.stages
        ]
        routing = {"thresholds": self.thresholds, "confidence": self.confidence, "combine": self.combine}
        return {"stages": stages, **routing, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Cascade:
        """The cascade that `get_config` described; its weights are loaded apart, as for every model."""
        stages = []
        for stage in config["stages"]:
            model = tf.keras.saving.deserialize_keras_object(stage["model"], custom_objects)
            resolution = None if stage["resolution"] is None else tuple(stage["resolution"])
            stages.append(CascadeStage(model, stage["cost"], resolution, stage["temperature"]))
        return cls(**{**config, "stages": stages})

    @property
    def classes(self) -> int:
        """Number of classes."""
        output = self.models[0].output
        return int((output["logits"] if isinstance(output, dict) else output).shape[-1])

    def _read(
        self,
        compiled: Callable[[tf.Tensor], tf.Tensor],
        images: NDArray[np.generic],
        rows: NDArray[np.int64],
        batch_size: int,
    ) -> NDArray[np.float32]:
        """A stage's probabilities for some rows; no stage ever sees an empty batch, which oneDNN may refuse."""
        answers = [np.zeros((0, self.classes), np.float32)]
        for start in range(0, len(rows), batch_size):
            chosen = rows[start : start + batch_size]
            size = min(batch_size, 1 << (len(chosen) - 1).bit_length())
            filled = np.concatenate([chosen, np.repeat(chosen[:1], size - len(chosen))])
            answers.append(compiled(tf.cast(images[filled], tf.float32)).numpy()[: len(chosen)])
        return np.concatenate(answers)
