"""Ways to train a scorer under rate constraints, behind one interface, so that they can be compared side by side."""

from ranking.rate_constraints.methods.cross_entropy import CrossEntropy
from ranking.rate_constraints.methods.implicit import Implicit
from ranking.rate_constraints.methods.lagrangian import Lagrangian
from ranking.rate_constraints.methods.method import METHODS, Batch, Method, MethodName
from ranking.rate_constraints.methods.quantile import Quantile

__all__ = [
    "METHODS",
    "Batch",
    "CrossEntropy",
    "Implicit",
    "Lagrangian",
    "Method",
    "MethodName",
    "Quantile",
]
