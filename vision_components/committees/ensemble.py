"""An ensemble: the average of what its members say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import tensorflow as tf

from seriatim_errors import DataError
from vision_components.committees.members import check_classes, logits_of

Average = Literal["probabilities", "logits"]


@tf.keras.saving.register_keras_serializable("seriatim")
class Ensemble(tf.keras.Model):
    """Averages its members' predictions: `p(x) = sum of w_i p_i(x)`, with the weights adding up to 1.

    Args:
        members: models that answer with logits, or with a dictionary that holds them.
        weights: of the members, not negative; equal where None.
        average: of `probabilities`, as in the paper's reading, or of `logits`.
        name: of the model.

    Raises:
        DataError: there is no member, weights do not fit, or members tell different numbers of classes apart.
    """

    def __init__(
        self,
        members: Sequence[tf.keras.Model],
        weights: Sequence[float] | None = None,
        average: Average = "probabilities",
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        check_classes(members)
        given = [1.0] * len(members) if weights is None else [float(weight) for weight in weights]
        if len(given) != len(members) or min(given) < 0 or not sum(given) > 0:
            raise DataError(f"weights {given} of {len(members)} members; give each one, none below 0, not all 0")
        if average not in ("probabilities", "logits"):
            raise DataError(f"average {average!r}; give probabilities or logits")
        self.members, self.average = list(members), average
        self.shares = [weight / sum(given) for weight in given]

    def call(self, images: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Probabilities, float32 `[batch, ..., classes]`."""
        logits = [logits_of(member(images, training=training)) for member in self.members]
        if self.average == "logits":
            return tf.nn.softmax(tf.add_n([share * one for share, one in zip(self.shares, logits, strict=True)]))
        return tf.add_n([share * tf.nn.softmax(one) for share, one in zip(self.shares, logits, strict=True)])

    def get_config(self) -> dict[str, Any]:
        """Members and how they are averaged."""
        members = [tf.keras.saving.serialize_keras_object(member) for member in self.members]
        return {"members": members, "weights": self.shares, "average": self.average, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Ensemble:
        """The ensemble that `get_config` described."""
        members = [tf.keras.saving.deserialize_keras_object(member, custom_objects) for member in config["members"]]
        return cls(**{**config, "members": members})
