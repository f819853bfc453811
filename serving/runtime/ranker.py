"""One request through all stages: base order, gate, slate, labels."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seriatim_errors import BundleError
from serving.bundle.golden import GoldenRequests
from serving.bundle.reader import Bundle
from serving.runtime.base_ranker import BaseRanker
from serving.runtime.gate import Gate
from serving.runtime.labeller import Labeller
from serving.runtime.query import InvalidRequestError, Slate, SlateQuery, check_query
from serving.runtime.seq2slate import Placed, Seq2Slate


class SlateRanker:
    """Ranks with one bundle; safe to share between threads, for it changes nothing after loading.

    Raises:
        BundleError: a stage's file cannot be loaded, or is not what the manifest says: other features, another
            slate size, other counts of labels.

    Attributes:
        labeller: of the placed items, or None.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.features = bundle.manifest.features
        self.version = bundle.manifest.version
        base: Any = bundle.manifest.stage("base_ranker")
        gate: Any = bundle.manifest.stage("gate")
        slate: Any = bundle.manifest.stage("seq2slate")
        labeller: Any = bundle.manifest.stage("labeller")
        width = len(self.features.names)
        self._base = None if base is None else BaseRanker(bundle.folder / base.file, width)
        self._gate = None if gate is None else Gate(bundle.folder / gate.file, gate.threshold)
        self._seq2slate = (
            None
            if slate is None
            else Seq2Slate(bundle.folder / slate.file, slate.slate_size, slate.max_list_size, slate.decoding)
        )
        for stage, model in ((gate, self._gate), (slate, self._seq2slate)):
            if model is not None and model.feature_count != width:
                raise BundleError(
                    f"{bundle.folder / stage.file} reads {model.feature_count} features, the manifest names {width}; "
                    "use another version"
                )
        self.labeller = None if labeller is None else Labeller(bundle.folder / labeller.file, self.features.names)
        if self.labeller is not None:
            counts = len(self.labeller.label_names), self.labeller.edge_count
            if counts != (labeller.labels, labeller.edges):
                raise BundleError(
                    f"{bundle.folder / labeller.file} holds {counts[0]} labels and {counts[1]} edges, the manifest "
                    f"says {labeller.labels} and {labeller.edges}; use another version"
                )

    def rank(self, query: SlateQuery) -> Slate:
        """Build the slate of one request.

        The base ranker orders the candidates (ties keep the caller's order). The gate takes out those
        under its threshold; they follow all that pass. seq2slate places its choice of those that pass, and
        whatever it does not place follows in base order. The labeller labels what the slate holds.

        Raises:
            InvalidRequestError: the query does not fit the bundle; the message names field, value and way out.
        """
        check_query(query, self.features)
        matrix = self._matrix(query)
        gate_scores = None if self._gate is None else self._gate.score(matrix)
        if gate_scores is not None and not np.isfinite(gate_scores).all():
            raise self._too_large("gate", query)
        base_scores = self._base_scores(matrix, gate_scores)
        base_order = np.argsort(-base_scores, kind="stable")
        passed = np.ones(len(matrix), bool)
        if self._gate is not None and gate_scores is not None:
            passed = self._gate.passes(gate_scores)
        gated = np.concatenate([base_order[passed[base_order]], base_order[~passed[base_order]]])
        placed = self._place(query, matrix, gated, int(passed.sum()))
        chosen = gated[placed.order]
        rest = gated[~np.isin(gated, chosen)]
        full = np.concatenate([chosen, rest])
        ranks = np.empty(len(full), np.int64)
        ranks[full] = np.arange(len(full))
        probabilities = np.full(query.slate_size, np.nan)
        known = np.exp(placed.log_probabilities[: query.slate_size])
        probabilities[: len(known)] = known
        order = full[: query.slate_size]
        return Slate(
            order=tuple(order.tolist()),
            ranks=ranks,
            base_scores=base_scores,
            gate_scores=gate_scores,
            passed=passed,
            probabilities=probabilities,
            propensity=float(np.prod(known)) if query.explore else None,
            version=self.version,
            labels=self._labels(query, matrix, order),
        )

    def golden_query(self, golden: GoldenRequests, index: int) -> SlateQuery:
        """Request `index` of the golden requests as a query."""
        rows = slice(int(golden.offsets[index]), int(golden.offsets[index + 1]))
        return SlateQuery(
            request_id=f"golden-{index}",
            item_ids=tuple(golden.item_ids[rows].tolist()),
            context=golden.context[index],
            features=golden.features[rows],
            slate_size=int(golden.slate_sizes[index]),
        )

    def _matrix(self, query: SlateQuery) -> NDArray[np.float32]:
        context = np.broadcast_to(query.context, (len(query.item_ids), len(query.context)))
        return np.ascontiguousarray(np.concatenate([context, query.features], axis=1), dtype=np.float32)

    def _base_scores(self, matrix: NDArray[np.float32], gate_scores: NDArray[np.float32] | None) -> NDArray[np.float32]:
        if self._base is not None:
            return self._base.score(matrix)
        return gate_scores if gate_scores is not None else np.zeros(len(matrix), np.float32)

    def _place(self, query: SlateQuery, matrix: NDArray[np.float32], gated: NDArray[np.int64], passing: int) -> Placed:
        """What seq2slate places, as indices into `gated`; nothing without seq2slate or without candidates."""
        nothing = Placed(np.zeros(0, np.int64), np.zeros(0))
        if self._seq2slate is None or passing == 0:
            return nothing
        read = gated[: min(passing, self._seq2slate.max_list_size)]
        try:
            if query.explore:
                placed = self._seq2slate.sample(matrix[read], _generator(query.request_id), query.temperature)
            else:
                placed = self._seq2slate.place(matrix[read])
        except OverflowError:
            raise self._too_large("re-ranker", query) from None
        return Placed(placed.order[: query.slate_size], placed.log_probabilities[: query.slate_size])

    def _labels(
        self, query: SlateQuery, matrix: NDArray[np.float32], order: NDArray[np.int64]
    ) -> NDArray[np.int64] | None:
        if self.labeller is None:
            return None
        try:
            return self.labeller.labels(matrix[order])
        except OverflowError:
            raise self._too_large("labeller", query, order) from None

    def _too_large(self, stage: str, query: SlateQuery, rows: NDArray[np.int64] | None = None) -> InvalidRequestError:
        """Names the value, among those of `rows`, that most likely made a stage overflow: its answer is arbitrary."""
        context = len(query.context)
        rows = np.arange(len(query.item_ids)) if rows is None else rows
        matrix = self._matrix(query)[rows]
        place, column = np.unravel_index(int(np.argmax(np.abs(matrix))), matrix.shape)
        return InvalidRequestError(
            "context" if column < context else "features",
            f"the {stage} overflows; the largest value is {matrix[place, column]:g}, feature "
            f"{self.features.names[column]!r} of item {query.item_ids[rows[place]]!r}; give values as in training",
        )


def _generator(request_id: str) -> np.random.Generator:
    """The same request id explores in the same way, on every replica."""
    digest = hashlib.sha256(request_id.encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))
