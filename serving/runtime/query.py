"""What the runtime is asked and what it answers, with the checks on what it is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import DataError

if TYPE_CHECKING:
    from serving.bundle.manifest import Features

MAX_CANDIDATES = 10_000
# Beyond these float32 carries too little of the logits for an exact propensity, and nothing is gained.
TEMPERATURES = (1e-3, 1e3)
QUOTED_CHARACTERS = 200


class InvalidRequestError(DataError):
    """A request breaks the API's contract; `field` names the part of it that does.

    A long description loses its middle: it travels in the trailing metadata of a call, which HTTP/2 peers
    limit to 8 KiB, and it may quote the caller's own names.
    """

    def __init__(self, field: str, message: str) -> None:
        if len(message) > 2 * QUOTED_CHARACTERS:
            message = f"{message[:QUOTED_CHARACTERS]} ... {message[-QUOTED_CHARACTERS:]}"
        super().__init__(f"{field}: {message}")
        self.field = field
        self.description = message


class Decoding(Enum):
    """How much of a bundle builds a slate; less of it where time is short."""

    FULL = "full"
    ONE_STEP = "one_step"
    BASE = "base"


@dataclass(frozen=True)
class SlateQuery:
    """One request.

    Attributes:
        request_id: the caller's name for it; seeds exploration.
        item_ids: candidates, all different, in the caller's order.
        context: float32 `[context features]`, in the bundle's order.
        features: float32 `[candidates, item features]`, in the bundle's order.
        slate_size: items to place, 1 to the number of candidates.
        explore: sample the slate instead of taking the most probable one.
        temperature: 0.001 to 1000, of the sampling.
        epsilon: 0 to 1, probability of a uniformly random slate in place of the best; not together with `explore`.
    """

    request_id: str
    item_ids: tuple[str, ...]
    context: NDArray[np.float32]
    features: NDArray[np.float32]
    slate_size: int
    explore: bool = False
    temperature: float = 1.0
    epsilon: float = 0.0

    @property
    def policy(self) -> str:
        """Name of the policy that builds the slate: `greedy`, `temperature` or `epsilon`."""
        if self.explore:
            return "temperature"
        return "epsilon" if self.epsilon > 0 else "greedy"

    def matrix(self) -> NDArray[np.float32]:
        """The models' input, float32 `[candidates, features]`: the context's columns first."""
        context, width = len(self.context), self.features.shape[1]
        if context == 0:
            return np.ascontiguousarray(self.features, np.float32)
        matrix = np.empty((len(self.item_ids), context + width), np.float32)
        matrix[:, :context] = self.context
        matrix[:, context:] = self.features
        return matrix


@dataclass(frozen=True)
class Slate:
    """The answer to a `SlateQuery`; rows are positions in its `item_ids`.

    Attributes:
        order: rows placed, first to last, `slate_size` of them.
        ranks: int64 `[candidates]`, the 0-based place of every candidate if the list went on: first the
            slate, then the others in base order.
        base_scores: float32 `[candidates]`, of the base ranker (of the gate where there is no base ranker).
        gate_scores: float32 `[candidates]`, or None without a gate.
        passed: bool `[candidates]`, which candidates passed the gate.
        probabilities: float64 `[slate_size]`, of each step's choice given the steps before; nan where no
            model chose (items filled in by base order).
        propensity: product of the probabilities when exploring, else None: the deterministic slate.
        version: the bundle that ranked.
        labels: int64 `[slate_size, labels]`, the states of the placed items' labels, or None without a labeller.
        decoding: how the slate was built.
        policy: `greedy`, `temperature` or `epsilon`.
        stage_seconds: time of each stage, by its kind, for all requests that were ranked together.
    """

    order: tuple[int, ...]
    ranks: NDArray[np.int64]
    base_scores: NDArray[np.float32]
    gate_scores: NDArray[np.float32] | None
    passed: NDArray[np.bool_]
    probabilities: NDArray[np.float64]
    propensity: float | None
    version: str
    labels: NDArray[np.int64] | None = None
    decoding: Decoding = Decoding.FULL
    policy: str = "greedy"
    stage_seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def base_ranks(self) -> NDArray[np.int64]:
        """0-based place of every candidate in base order, int64 `[candidates]`."""
        ranks = np.empty(len(self.base_scores), np.int64)
        ranks[np.argsort(-self.base_scores, kind="stable")] = np.arange(len(ranks))
        return ranks

    def labelled(self, labels: NDArray[np.int64]) -> Slate:
        """The same slate with labels."""
        return replace(self, labels=labels)


def refusal(query: SlateQuery, features: Features) -> InvalidRequestError | None:
    """What is wrong with `query`, or None where it fits the bundle's features."""
    try:
        check_query(query, features)
    except InvalidRequestError as error:
        return error
    return None


def check_query(query: SlateQuery, features: Features) -> None:
    """Raise `InvalidRequestError`, naming the field and the way out, unless `query` fits the bundle's features."""
    require_candidates(query.item_ids)
    candidates = len(query.item_ids)
    if not 1 <= query.slate_size <= candidates:
        raise InvalidRequestError(
            "slate_size",
            f"{query.slate_size} for {candidates} candidates; give 1 to {candidates}",
        )
    if query.context.shape != (len(features.context),):
        raise InvalidRequestError(
            "context",
            f"{query.context.size} values, the model reads {len(features.context)}: {', '.join(features.context)}",
        )
    if query.features.shape != (candidates, len(features.item)):
        raise InvalidRequestError(
            "features",
            f"shape {query.features.shape}, expected ({candidates}, {len(features.item)}): one row a candidate, "
            f"one column a feature of the model",
        )
    if not np.isfinite(query.context).all():
        place = int(np.argmin(np.isfinite(query.context)))
        raise InvalidRequestError(
            "context",
            f"feature {features.context[place]!r} is {query.context[place]}; give finite numbers",
        )
    if not np.isfinite(query.features).all():
        row, column = np.unravel_index(int(np.argmin(np.isfinite(query.features))), query.features.shape)
        raise InvalidRequestError(
            "features",
            f"feature {features.item[column]!r} of item {query.item_ids[row]!r} is {query.features[row, column]}; "
            "give finite numbers",
        )
    low, high = TEMPERATURES
    if not low <= query.temperature <= high:
        raise InvalidRequestError(
            "exploration.temperature", f"{query.temperature:g}; give {low:g} to {high:g}, 1 for the model's own"
        )


def require_moderate(candidates: int, most: int = MAX_CANDIDATES) -> None:
    """Raise `InvalidRequestError` where there are too many candidates, or none."""
    if candidates == 0:
        raise InvalidRequestError("item_ids", "no candidates; give at least one item to rank")
    if candidates > most:
        raise InvalidRequestError("item_ids", f"{candidates} candidates; give at most {most}")


def require_candidates(item_ids: Sequence[str], most: int = MAX_CANDIDATES) -> None:
    """Raise `InvalidRequestError` unless there are candidates, not too many, each once and with a name."""
    candidates = len(item_ids)
    require_moderate(candidates, most)
    if len(set(item_ids)) != candidates:
        twice = Counter(item_ids).most_common(1)[0][0]
        raise InvalidRequestError("item_ids", f"item {twice!r} stands twice; give every candidate once")
    if "" in item_ids:
        raise InvalidRequestError(
            "item_ids", f"the item at place {list(item_ids).index('')} has no id; give every candidate one"
        )
