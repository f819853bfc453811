"""Training examples: checked once, then dealt out in batches that stand for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranking.rate_constraints.batches import needed_positives, representative_weights, stratified_batches
from ranking.rate_constraints.objectives import Objective, exact_thresholds
from ranking.rate_constraints.scorer import Scorer
from seriatim_errors import TrainingError


def check_each(name: str, values: ArrayLike, fine: NDArray[np.bool_], way_out: str) -> None:
    """Refuse the first of `values` `[items]` that is not `fine`.

    Raises:
        TrainingError: naming it and the `way_out`.
    """
    if not fine.all():
        row = int(np.argmin(fine))
        raise TrainingError(f"rate constraint: {name} {row} is {np.asarray(values)[row]}; {way_out}")


@dataclass(frozen=True)
class Examples:
    """Examples with weight: standardised features float32 `[items, features]`, and `[items]` each of
    labels float32 {0, 1}, weights float32 > 0 and groups int32.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.float32]
    weights: NDArray[np.float32]
    groups: NDArray[np.int32]

    @classmethod
    def counted(
        cls,
        features: NDArray[np.float32],
        labels: NDArray[np.float32],
        weights: NDArray[np.float32] | None,
        groups: NDArray[np.int32] | None,
    ) -> Examples:
        """The examples with weight, checked.

        Raises:
            TrainingError: lengths differ, a label is neither 0 nor 1, a weight is negative or not finite, a feature
                of an example with weight is not finite, or one class has no weight.
        """
        given = np.ones(len(labels), np.float32) if weights is None else np.asarray(weights, np.float32)
        for name, values in (("labels", labels), ("weights", given), ("groups", groups)):
            if values is not None and np.shape(values) != (len(features),):
                raise TrainingError(
                    f"rate constraint: {name} have shape {np.shape(values)} for {len(features)} examples; give one each"
                )
        check_each("label", labels, np.isin(labels, (0, 1)), "give 0 or 1")
        check_each("weight", given, np.isfinite(given) & (given >= 0), "give finite weights of at least 0")
        rows = np.flatnonzero(given > 0)
        positive = (np.asarray(labels)[rows] > 0).astype(np.float32)
        if not 0 < positive.sum() < len(positive):
            raise TrainingError(
                f"rate constraint: {int(positive.sum())} of {len(positive)} examples with weight are positive; "
                "give at least one positive and one negative"
            )
        matrix = np.asarray(features, np.float32)[rows]
        if not np.isfinite(matrix).all():
            raise TrainingError("rate constraint: a feature is not finite; replace or drop such values")
        member = np.zeros(len(rows), np.int32) if groups is None else np.asarray(groups, np.int32)[rows]
        return cls(matrix, positive, given[rows], member)

    def thresholds(self, scorer: Scorer, objective: Objective) -> NDArray[np.float64]:
        """The exact thresholds on the scorer's scores of all examples, float64 `[thresholds]`."""
        scores = scorer.score(self.features)
        return exact_thresholds(objective, scores, self.labels, self.weights, self.groups)

    def batches(self, objective: Objective, batch_size: int, rng: np.random.Generator) -> Iterator[tuple]:
        """One epoch of `features, labels, weights, groups`, with enough examples in each for its quantiles."""
        hardest = max(objective.rates, key=needed_positives)
        # A quantile over negatives or over all needs as many of those as one over positives needs of them.
        size = max(batch_size, 2 * needed_positives(hardest))
        positive_share = float(self.weights[self.labels > 0].sum() / self.weights.sum())
        for positives, negatives in stratified_batches(self.labels, size, hardest, rng):
            rows = np.concatenate([positives, negatives])
            weights = representative_weights(self.weights, positive_share, positives, negatives)
            yield self.features[rows], self.labels[rows], weights, self.groups[rows]
