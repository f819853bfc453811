"""Neighbourhood distillation (Shao et al., arXiv 2010.01189): students of a network's parts, learned apart.

A teacher is split into neighbourhoods; a student of each learns to map the teacher's activation before it to the one
behind it, which needs neither the other students nor labels. Put together they replace the teacher.
"""

from vision_components.distillation.distil import Distilled, NeighbourhoodDistiller
from vision_components.distillation.fine_tuning import fine_tune
from vision_components.distillation.inputs import Moments, measured_moments, moments_from_normalisation
from vision_components.distillation.report import SwapOne, swap_one_report
from vision_components.distillation.search import Choice, StudentSearch
from vision_components.distillation.split import Neighbourhood, Split, split
from vision_components.distillation.students import residual_student
from vision_components.distillation.times import DistillationTimes

__all__ = [
    "Choice",
    "DistillationTimes",
    "Distilled",
    "Moments",
    "Neighbourhood",
    "NeighbourhoodDistiller",
    "Split",
    "StudentSearch",
    "SwapOne",
    "fine_tune",
    "measured_moments",
    "moments_from_normalisation",
    "residual_student",
    "split",
    "swap_one_report",
]
