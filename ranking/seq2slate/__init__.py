"""Seq2Slate: a pointer network that places items one after another (arXiv 1810.02019).

Importing this package imports TensorFlow.
"""

from ranking.seq2slate.beam import Beams, beam_search
from ranking.seq2slate.constraints import SlateConstraints
from ranking.seq2slate.decoding import Decoded, decode, forced_choice, greedy_choice, sampled_choice
from ranking.seq2slate.export import export_first_step, export_onnx, export_saved_model
from ranking.seq2slate.losses import cross_entropy, slate_loss, smooth_hinge
from ranking.seq2slate.model import Seq2Slate
from ranking.seq2slate.ranked_scores import list_ranker, rank_lists
from ranking.seq2slate.settings import Seq2SlateSettings
from ranking.seq2slate.training import TrainedSeq2Slate, train_seq2slate

__all__ = [
    "Beams",
    "Decoded",
    "Seq2Slate",
    "Seq2SlateSettings",
    "SlateConstraints",
    "TrainedSeq2Slate",
    "beam_search",
    "cross_entropy",
    "decode",
    "export_first_step",
    "export_onnx",
    "export_saved_model",
    "forced_choice",
    "greedy_choice",
    "list_ranker",
    "rank_lists",
    "sampled_choice",
    "slate_loss",
    "smooth_hinge",
    "train_seq2slate",
]
