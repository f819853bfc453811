"""Training a backbone's heads: classes by cross-entropy, the embedding towards that of a teacher."""

from __future__ import annotations

import tensorflow as tf

from seriatim_errors import DataError

Batch = tuple[tf.Tensor, tf.Tensor]


class BackboneTraining(tf.keras.Model):
    """A backbone with the losses of its heads, to be compiled with an optimizer and fitted.

    Without a teacher the loss is cross-entropy. With one it adds `weight` times the squared distance between the
    embeddings over the teacher's mean square, so that all stages of a cascade answer in one space: what consumes an
    embedding need not know which stage answered.

    Args:
        backbone: answers with logits, or with a dictionary of `logits` and `embedding`.
        teacher: with an embedding of the same width; it is not changed.
        weight: of the distance, 0 or more.

    Raises:
        DataError: a teacher is given and one of the two has no embedding, or the widths differ.
    """

    def __init__(
        self,
        backbone: tf.keras.Model,
        teacher: tf.keras.Model | None = None,
        weight: float = 1.0,
        name: str = "training",
    ) -> None:
        super().__init__(name=name)
        if teacher is not None:
            widths = [_embedding_width(model) for model in (backbone, teacher)]
            if widths[0] != widths[1]:
                raise DataError(f"embeddings of {backbone.name} and {teacher.name} are {widths} wide; give one width")
            teacher.trainable = False
        self.backbone, self.teacher, self.weight = backbone, teacher, weight
        self._loss = tf.keras.metrics.Mean(name="loss")
        self._accuracy = tf.keras.metrics.SparseCategoricalAccuracy(name="accuracy")
        self._distance = tf.keras.metrics.Mean(name="distance")

    @property
    def metrics(self) -> list[tf.keras.metrics.Metric]:
        """Loss, accuracy and, with a teacher, the relative squared distance of the embeddings."""
        return [self._loss, self._accuracy, *([self._distance] if self.teacher is not None else [])]

    def call(self, images: tf.Tensor, training: bool | None = None) -> tf.Tensor | dict[str, tf.Tensor]:
        """What the backbone answers."""
        return self.backbone(images, training=training)

    def train_step(self, batch: Batch) -> dict[str, tf.Tensor]:
        """One step on images `[batch, height, width, channels]` and classes `[batch]`."""
        images, classes = batch
        with tf.GradientTape() as tape:
            logits, loss = self._measured(images, classes, training=True)
        variables = self.backbone.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return self._report(loss, classes, logits)

    def test_step(self, batch: Batch) -> dict[str, tf.Tensor]:
        """The same measures without learning."""
        images, classes = batch
        logits, loss = self._measured(images, classes, training=False)
        return self._report(loss, classes, logits)

    def _measured(self, images: tf.Tensor, classes: tf.Tensor, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
        answer = self.backbone(images, training=training)
        logits = answer["logits"] if isinstance(answer, dict) else answer
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(tf.cast(classes, tf.int32), logits))
        if self.teacher is not None:
            target = tf.stop_gradient(self.teacher(images, training=False)["embedding"])
            distance = tf.reduce_mean(tf.math.squared_difference(answer["embedding"], target))
            distance /= tf.reduce_mean(tf.square(target))
            self._distance.update_state(distance)
            loss += self.weight * distance
        return logits, loss

    def _report(self, loss: tf.Tensor, classes: tf.Tensor, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        self._loss.update_state(loss)
        self._accuracy.update_state(classes, logits)
        return {metric.name: metric.result() for metric in self.metrics}


def _embedding_width(model: tf.keras.Model) -> int:
    outputs = model.output
    if not isinstance(outputs, dict) or "embedding" not in outputs:
        raise DataError(f"{model.name} has no embedding; build it with embedding_width")
    return int(outputs["embedding"].shape[-1])
