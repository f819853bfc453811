"""All ranking metrics of several policies, with intervals, over requests that come in chunks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranking.lists import RankingLists
from ranking.metrics.evaluation import NoRelevantPolicy, evaluate_lists, metric_weights
from ranking.metrics.interval_streams import IntervalStreams
from ranking.metrics.intervals import MetricInterval, paired
from seriatim_errors import ConfigError, DataError


@dataclass(frozen=True)
class EvaluationIntervals:
    """What an evaluation found.

    Attributes:
        policies: for each policy the interval of each metric.
        differences: for each policy but the reference the interval of each metric's paired difference, policy
            minus reference; empty without a reference.
    """

    policies: dict[str, dict[str, MetricInterval]]
    differences: dict[str, dict[str, MetricInterval]]


class EvaluationStream:
    """Evaluates requests chunk by chunk, so that no caller has to hold the items of all of them.

    The intervals are those of `evaluate_lists` on all requests at once, followed by `bootstrap_interval` and
    `paired_difference_interval`, to the last bit, however the requests are cut into chunks.
    """

    def __init__(
        self,
        reference: str | None = None,
        cutoffs: Sequence[int] = (5, 10),
        no_relevant: NoRelevantPolicy = "skip",
        max_grade: float = 1.0,
        diversity_columns: Sequence[str] = (),
        confidence: float = 0.95,
        samples: int = 1000,
        seed: int = 0,
    ) -> None:
        """Nothing added yet.

        Args:
            reference: the policy that the others are compared with; None: no differences.
            cutoffs, no_relevant, diversity_columns: as in `evaluate_lists`.
            max_grade: top of the grade scale for `err`, which no chunk can tell; 1 for clicks.
            confidence, samples, seed: as in `bootstrap_interval`.

        Raises:
            ValueError: `confidence` or `samples` is out of range.
        """
        self._reference = reference
        self._cutoffs, self._no_relevant = tuple(cutoffs), no_relevant
        self._max_grade, self._diversity_columns = max_grade, tuple(diversity_columns)
        self._policies: tuple[str, ...] | None = None
        # By policy, the policy that it is compared with or None, and metric.
        self._streams: IntervalStreams[tuple[str, str | None, str]] = IntervalStreams(confidence, samples, seed)

    def add(
        self,
        lists: RankingLists,
        scores: Mapping[str, NDArray[np.floating]],
        labels: NDArray[np.floating],
        weights: NDArray[np.floating] | None = None,
    ) -> None:
        """Add a chunk of requests; where anything in it is wrong, nothing is added.

        Args:
            lists: the requests, items in base order.
            scores: under the name of each policy float `[items]`, finite; the same policies in every chunk.
            labels: float `[items]`, in [0, max_grade].
            weights: float `[items]`, >= 0; in every chunk or in none. None: all equal.

        Raises:
            ConfigError: as in `evaluate_lists`, or with weights `no_relevant` is not `skip`: a list without a
                relevant item would weigh the mean of all others, those to come included.
            DataError: as in `evaluate_lists`, or the policies are not those of the first chunk or lack the
                reference.
        """
        self._check(tuple(scores), weights)
        values = {
            policy: evaluate_lists(
                lists, each, labels, self._cutoffs, self._no_relevant, self._max_grade, weights, self._diversity_columns
            )
            for policy, each in scores.items()
        }
        compared = values.get(self._reference, {}) if self._reference is not None else {}
        chunk: dict[tuple[str, str | None, str], NDArray[np.float64]] = {}
        for policy, metrics in values.items():
            chunk |= {(policy, None, metric): each for metric, each in metrics.items()}
            if policy != self._reference:
                chunk |= {(policy, self._reference, m): paired(metrics[m], each) for m, each in compared.items()}
        shares = None
        if weights is not None:
            of_metric = metric_weights(lists, labels, weights, dict.fromkeys(metric for _, _, metric in chunk))
            shares = {name: of_metric[name[-1]] for name in chunk}
        self._streams.add(chunk, shares)
        self._policies = tuple(scores)

    def intervals(self) -> EvaluationIntervals:
        """All intervals over the requests so far; more may be added afterwards."""
        found = EvaluationIntervals({}, {})
        for (policy, against, metric), interval in self._streams.intervals().items():
            part = found.policies if against is None else found.differences
            part.setdefault(policy, {})[metric] = interval
        return found

    def _check(self, policies: tuple[str, ...], weights: NDArray[np.floating] | None) -> None:
        if self._reference is not None and self._reference not in policies:
            raise DataError(f"scores: none of the reference {self._reference!r}; give its scores with the others'")
        if self._policies is not None and set(policies) != set(self._policies):
            raise DataError(
                f"scores: of {', '.join(policies)}, but the first chunk had {', '.join(self._policies)}; "
                "give the same policies in every chunk"
            )
        if weights is not None and self._no_relevant != "skip":
            raise ConfigError(
                f"no_relevant: {self._no_relevant!r} with weights needs all requests at once; choose 'skip', or use "
                "evaluate_lists with bootstrap_interval"
            )
