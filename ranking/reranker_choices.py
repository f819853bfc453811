"""What a re-ranker's settings may say, as names alone: for configurations, which load no TensorFlow."""

from __future__ import annotations

from typing import Literal

# Each has its function in `ranking/seq2slate/losses.py`.
StepLoss = Literal["cross_entropy", "smooth_hinge"]
Training = Literal["greedy", "sampling", "one_step", "reinforce"]
EncoderKind = Literal["lstm", "transformer", "set_transformer"]
