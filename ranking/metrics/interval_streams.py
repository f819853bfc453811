"""Bootstrap intervals of many metrics at once, over requests that come in chunks."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

from numpy.typing import ArrayLike

from ranking.metrics.intervals import MetricInterval, check_bootstrap, checked_values, intervals_of_sums
from ranking.metrics.request_sums import RequestSums

Name = TypeVar("Name", bound=Hashable)


class IntervalStreams(Generic[Name]):
    """For each name the interval that `bootstrap_interval` gives for all its values together.

    Memory does not grow with the requests beyond `request_sums.GROUPS`, and resamples are drawn once for all
    names with as many defined values. Requests have to come in the same order for the same result to the last
    bit; where the chunks are cut makes no difference.

    >>> streams = IntervalStreams()
    >>> streams.add({"mrr": [1.0, 0.5]})
    >>> streams.add({"mrr": [float("nan"), 0.0]})
    >>> streams.intervals()["mrr"].value
    0.5
    """

    def __init__(self, confidence: float = 0.95, samples: int = 1000, seed: int = 0) -> None:
        """Nothing added yet; `confidence`, `samples` and `seed` as in `bootstrap_interval`.

        Raises:
            ValueError: `confidence` or `samples` is out of range.
        """
        check_bootstrap(confidence, samples)
        self._settings = (confidence, samples, seed)
        self._sums: dict[Name, RequestSums] = {}

    def add(self, values: Mapping[Name, ArrayLike], weights: Mapping[Name, ArrayLike] | None = None) -> None:
        """Add a chunk of requests; where anything in it is wrong, nothing is added.

        Args:
            values: under each name float `[requests]`, nan where undefined; a difference of two policies is one
                more name.
            weights: under each name of `values` float `[requests]`, >= 0, as in `bootstrap_interval`. None: all
                equal.

        Raises:
            DataError, ValueError: as in `bootstrap_interval`.
        """
        rows = {name: checked_values(each, None if weights is None else weights[name]) for name, each in values.items()}
        for name, each in rows.items():
            self._sums.setdefault(name, RequestSums(len(each))).add(each)

    def intervals(self) -> dict[Name, MetricInterval]:
        """The interval of each name over all requests so far; more may be added afterwards."""
        return dict(zip(self._sums, intervals_of_sums(list(self._sums.values()), *self._settings), strict=True))
