"""What changes while a search trains: the cost that it is to reach, and the temperature of its gates."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from seriatim_errors import DataError
from vision_components.structure.gates import ChannelGates


class TargetSchedule(tf.keras.callbacks.Callback):
    """Lowers a `SearchModel`'s target along a line from the whole cost to a share of it, then holds it.

    Args:
        share: of the whole cost, above 0, below 1.
        epochs: of the whole training.
        lowering: share of the epochs in which the target sinks, above 0, at most 1.

    Raises:
        DataError: a number is out of range.
    """

    def __init__(self, share: float, epochs: int, lowering: float = 0.7) -> None:
        super().__init__()
        if not 0 < share < 1:
            raise DataError(f"budget {share}; give a share of the whole cost above 0 and below 1")
        if not 0 < lowering <= 1 or epochs < 1:
            raise DataError(f"lowering {lowering} in {epochs} epochs; give a share above 0 and 1 epoch or more")
        self.share, self.epochs, self.lowering = share, epochs, lowering
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Keep the epoch."""
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Set the target of this step."""
        steps = self.params.get("steps") or 1
        passed = (self._epoch + batch / steps) / (self.epochs * self.lowering)
        self.model.target.assign(1 - (1 - self.share) * min(1.0, passed))


class TemperatureSchedule(tf.keras.callbacks.Callback):
    """Cools the gates of a network from epoch to epoch, by the same factor each time.

    Args:
        gates: of the network.
        end: temperature of the last epoch, above 0.
        epochs: of the whole training.

    Raises:
        DataError: the temperature is not above 0.
    """

    def __init__(self, gates: ChannelGates, end: float, epochs: int) -> None:
        super().__init__()
        if not end > 0:
            raise DataError(f"temperature {end}; give one above 0")
        self.gates, self.end, self.epochs = gates, end, epochs

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Set the temperature of this epoch."""
        start = self.gates.first_temperature
        passed = min(1.0, epoch / max(1, self.epochs - 1))
        self.gates.temperature.assign(start * (self.end / start) ** passed)
