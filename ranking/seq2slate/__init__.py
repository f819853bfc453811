"""Seq2Slate: a pointer network that places items one after another (arXiv 1810.02019).

Importing this package imports TensorFlow.
"""

from ranking.seq2slate.decoding import Decoded, decode, greedy_choice, rank_lists, sampled_choice
from ranking.seq2slate.export import export_onnx, export_saved_model
from ranking.seq2slate.losses import cross_entropy, slate_loss, smooth_hinge
from ranking.seq2slate.model import Seq2Slate
from ranking.seq2slate.settings import Seq2SlateSettings
from ranking.seq2slate.training import TrainedSeq2Slate, train_seq2slate

__all__ = [
    "Decoded",
    "Seq2Slate",
    "Seq2SlateSettings",
    "TrainedSeq2Slate",
    "cross_entropy",
    "decode",
    "export_onnx",
    "export_saved_model",
    "greedy_choice",
    "rank_lists",
    "sampled_choice",
    "slate_loss",
    "smooth_hinge",
    "train_seq2slate",
]
