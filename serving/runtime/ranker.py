"""Requests through all stages: base order, gate, slate, labels."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from serving.bundle.golden import GoldenRequests
from serving.bundle.reader import Bundle
from serving.runtime.epsilon_slates import drawn_slate, step_probabilities
from serving.runtime.first_step import FirstStep
from serving.runtime.query import Decoding, InvalidRequestError, Slate, SlateQuery, refusal
from serving.runtime.seq2slate import Placed, Reading, Seq2Slate
from serving.runtime.stage_clock import StageClock
from serving.runtime.stages import load_stages

NOTHING_PLACED = Placed(np.zeros(0, np.int64), np.zeros(0))


class SlateRanker:
    """Ranks with one bundle; safe to share between threads, for it changes nothing after loading.

    Raises:
        BundleError: a stage's file cannot be loaded, or is not what the manifest says.

    Attributes:
        labeller: of the placed items, or None.
        seq2slate: the re-ranker, or None.
        decodings: what the bundle can do, the most first.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.features = bundle.manifest.features
        self.version = bundle.manifest.version
        self._stages = load_stages(bundle)
        self.labeller, self.seq2slate = self._stages.labeller, self._stages.seq2slate
        stage = bundle.manifest.stage("seq2slate")
        self._own_decoding = Decoding.ONE_STEP if getattr(stage, "decoding", "") == "one_step" else Decoding.FULL
        self.decodings = [Decoding.FULL]
        if self._stages.first_step is not None and self._own_decoding is Decoding.FULL:
            self.decodings.append(Decoding.ONE_STEP)
        if self._stages.seq2slate is not None:
            self.decodings.append(Decoding.BASE)

    def rank(self, query: SlateQuery, decoding: Decoding = Decoding.FULL) -> Slate:
        """Build the slate of one request; see `rank_batch`.

        Raises:
            InvalidRequestError: the query does not fit the bundle; the message names field, value and way out.
        """
        (answer,) = self.rank_batch([query], decoding)
        if isinstance(answer, InvalidRequestError):
            raise answer
        return answer

    def rank_batch(
        self, queries: Sequence[SlateQuery], decoding: Decoding = Decoding.FULL
    ) -> list[Slate | InvalidRequestError]:
        """Build the slates of several requests, each as if it were alone.

        The base ranker orders the candidates (ties keep the caller's order). The gate takes out those under its
        threshold; they follow all that pass. seq2slate places its choice of those that pass, and whatever it does not
        place follows in base order. The labeller labels what the slate holds.

        Args:
            queries: the requests.
            decoding: one of `decodings`; `ONE_STEP` takes the re-ranker's first step only, `BASE` leaves it out, so
                that a request which explores gets its deterministic slate.

        Returns:
            A slate a request, or why there is none.
        """
        answers: list[Slate | InvalidRequestError | None] = [refusal(query, self.features) for query in queries]
        sound = [place for place, answer in enumerate(answers) if answer is None]
        if sound:
            ranked = self._rank_sound([queries[place] for place in sound], decoding)
            for place, answer in zip(sound, ranked, strict=True):
                answers[place] = answer
        return answers  # type: ignore[return-value]

    def order_probabilities(self, query: SlateQuery, order: Sequence[int]) -> NDArray[np.float64]:
        """Probability of each place of a given order given the places above, were `query` to explore by temperature.

        Args:
            query: the request; its temperature counts, whether it explores does not.
            order: rows of its candidates, all different, for instance a slate that another bundle has shown.

        Returns:
            float64 `[places]`; 0 from the first place on that the bundle would never fill so.

        Raises:
            InvalidRequestError: the query does not fit the bundle.
        """
        refused = refusal(query, self.features)
        if refused is not None:
            raise refused
        rows, stages = query.matrix(), self._stages
        gate_scores = None if stages.gate is None else stages.gate.score(rows)
        base_scores = np.zeros(len(rows), np.float32) if gate_scores is None else gate_scores
        if stages.base_ranker is not None:
            base_scores = stages.base_ranker.score(rows)
        gated = self._gated(base_scores, gate_scores)
        place_in_list = np.empty(len(rows), np.int64)
        place_in_list[gated.order] = np.arange(len(rows))
        places, drawn = place_in_list[list(order)], 0
        model = self._re_ranker(Decoding.FULL)
        probabilities = np.zeros(len(places))
        if model is not None and stages.seq2slate is not None:
            read = min(gated.passing, stages.seq2slate.max_list_size)
            most = read if model is stages.first_step else min(read, stages.seq2slate.slate_size)
            drawn = min(len(places), most)
            possible = drawn if (places[:drawn] < read).all() else int(np.argmax(places[:drawn] >= read))
            if read:
                given = model.given_order(rows[gated.order[:read]], places[:possible], query.temperature)
                probabilities[:possible] = np.exp(given)
            if possible < drawn:
                return probabilities
        waiting = np.ones(len(rows), bool)
        waiting[places[:drawn]] = False
        behind = np.flatnonzero(waiting)[: len(places) - drawn]
        probabilities[drawn:] = np.logical_and.accumulate(places[drawn:] == behind)
        return probabilities

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

    def _rank_sound(self, queries: Sequence[SlateQuery], decoding: Decoding) -> list[Slate | InvalidRequestError]:
        clock, stages = StageClock(), self._stages
        lists = [query.matrix() for query in queries]
        matrix = lists[0] if len(lists) == 1 else np.concatenate(lists)
        ends = [0, *accumulate(len(rows) for rows in lists)]
        parts = [slice(begin, end) for begin, end in pairwise(ends)]
        gate_scores = None
        if stages.gate is not None:
            with clock.stage("gate"):
                gate_scores = stages.gate.score(matrix)
        base_scores = gate_scores if gate_scores is not None else np.zeros(len(matrix), np.float32)
        if stages.base_ranker is not None:
            with clock.stage("base_ranker"):
                base_scores = stages.base_ranker.score(matrix)
        split_base = [base_scores[part] for part in parts]
        split_gate = [None if gate_scores is None else gate_scores[part] for part in parts]
        gated = [self._gated(base, gate) for base, gate in zip(split_base, split_gate, strict=True)]
        with clock.stage("seq2slate"):
            placed = self._place(queries, lists, gated, decoding)
        answers: list[Slate | InvalidRequestError] = []
        for query, rows, base, gate, list_, place in zip(
            queries, lists, split_base, split_gate, gated, placed, strict=True
        ):
            if gate is not None and not np.isfinite(gate).all():
                answers.append(self._too_large("gate", query, rows))
            elif place is None:
                answers.append(self._too_large("re-ranker", query, rows))
            else:
                answers.append(self._slate(query, base, gate, list_, place, decoding, clock))
        if stages.labeller is not None:
            with clock.stage("labeller"):
                self._label(queries, lists, answers)
        return answers

    def _gated(self, base_scores: NDArray[np.float32], gate_scores: NDArray[np.float32] | None) -> _Gated:
        order = np.argsort(-base_scores, kind="stable")
        if gate_scores is None or self._stages.gate is None:
            return _Gated(order, np.ones(len(order), bool), len(order))
        passed = self._stages.gate.passes(gate_scores)
        first = passed[order]
        return _Gated(np.concatenate([order[first], order[~first]]), passed, int(first.sum()))

    def one_step(self, decoding: Decoding) -> bool:
        """Whether the re-ranker's first logits order the whole slate in this decoding."""
        return self._stages.first_step is not None and Decoding.ONE_STEP in (decoding, self._own_decoding)

    def read_rows(self, slate: Slate) -> NDArray[np.int64]:
        """Rows of the candidates that the re-ranker read for `slate`, in base order; none without a re-ranker."""
        return self._read_rows(self._gated(slate.base_scores, slate.gate_scores))

    def _read_rows(self, gated: _Gated) -> NDArray[np.int64]:
        most = 0 if self.seq2slate is None else self.seq2slate.max_list_size
        return gated.order[: min(gated.passing, most)]

    def _place(
        self,
        queries: Sequence[SlateQuery],
        lists: Sequence[NDArray[np.float32]],
        gated: Sequence[_Gated],
        decoding: Decoding,
    ) -> list[Placed | None]:
        """What the re-ranker places, as indices into `gated`; nothing where it has nothing to read."""
        placed: list[Placed | None] = [NOTHING_PLACED] * len(queries)
        seq2slate = self._stages.seq2slate
        if seq2slate is None or decoding is Decoding.BASE:
            return placed
        readers = [place for place, list_ in enumerate(gated) if list_.passing]
        readings = [
            Reading(
                lists[place][self._read_rows(gated[place])],
                _generator(queries[place].request_id) if queries[place].explore else None,
                queries[place].temperature if queries[place].explore else 1.0,
            )
            for place in readers
        ]
        model = self._re_ranker(decoding)
        if readings and model is not None:
            for place, answer in zip(readers, model.place(readings), strict=True):
                placed[place] = answer
        return placed

    def _re_ranker(self, decoding: Decoding) -> Seq2Slate | FirstStep | None:
        """What places items under `decoding`."""
        return self._stages.first_step if self.one_step(decoding) else self.seq2slate

    def _slate(
        self,
        query: SlateQuery,
        base_scores: NDArray[np.float32],
        gate_scores: NDArray[np.float32] | None,
        gated: _Gated,
        placed: Placed,
        decoding: Decoding,
        clock: StageClock,
    ) -> Slate:
        count = len(gated.order)
        chosen = placed.order[: query.slate_size]
        waiting = np.ones(count, bool)
        waiting[chosen] = False
        full = np.concatenate([gated.order[chosen], gated.order[waiting]])
        ranks = np.empty(count, np.int64)
        ranks[full] = np.arange(count)
        probabilities = np.full(query.slate_size, np.nan)
        known = np.exp(placed.log_probabilities[: query.slate_size])
        probabilities[: len(known)] = known
        explores = query.explore and decoding is not Decoding.BASE
        if query.epsilon > 0:
            explores = True
            full, probabilities = _epsilon_slate(full, query, gated.passing)
            known = probabilities[: min(query.slate_size, gated.passing)]
            ranks[full] = np.arange(count)
        return Slate(
            order=tuple(full[: query.slate_size].tolist()),
            ranks=ranks,
            base_scores=base_scores,
            gate_scores=gate_scores,
            passed=gated.passed,
            probabilities=probabilities,
            propensity=float(np.prod(known)) if explores else None,
            version=self.version,
            decoding=decoding,
            policy=query.policy if explores else "greedy",
            stage_seconds=clock.seconds,
        )

    def _label(
        self,
        queries: Sequence[SlateQuery],
        lists: Sequence[NDArray[np.float32]],
        answers: list[Slate | InvalidRequestError],
    ) -> None:
        """Put labels into the slates; a request whose items overflow the labeller is refused."""
        assert self.labeller is not None
        slates = [(place, answer) for place, answer in enumerate(answers) if isinstance(answer, Slate)]
        if not slates:
            return
        rows = [lists[place][list(slate.order)] for place, slate in slates]
        try:
            labels = self.labeller.labels(np.concatenate(rows))
        except OverflowError:
            if len(slates) == 1:
                place, slate = slates[0]
                answers[place] = self._too_large("labeller", queries[place], lists[place], slate.order)
                return
            for place, _ in slates:
                alone = answers[place : place + 1]
                self._label(queries[place : place + 1], lists[place : place + 1], alone)
                answers[place] = alone[0]
            return
        ends = np.cumsum([len(part) for part in rows])[:-1]
        for (place, slate), states in zip(slates, np.split(labels, ends), strict=True):
            answers[place] = slate.labelled(states)

    def _too_large(
        self, stage: str, query: SlateQuery, matrix: NDArray[np.float32], rows: Sequence[int] | None = None
    ) -> InvalidRequestError:
        """Names the value, among those of `rows`, that most likely made a stage overflow: its answer is arbitrary."""
        rows = range(len(query.item_ids)) if rows is None else rows
        sizes = np.abs(matrix[list(rows)])
        place, column = np.unravel_index(int(np.argmax(sizes)), sizes.shape)
        row = rows[int(place)]
        return InvalidRequestError(
            "context" if column < len(query.context) else "features",
            f"the {stage} overflows; the largest value is {matrix[row, column]:g}, feature "
            f"{self.features.names[column]!r} of item {query.item_ids[row]!r}; give values as in training",
        )


class _Gated(NamedTuple):
    """Candidates in base order, those that pass the gate first; which passed; how many."""

    order: NDArray[np.int64]
    passed: NDArray[np.bool_]
    passing: int


def _epsilon_slate(
    full: NDArray[np.int64], query: SlateQuery, passing: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The candidates with the places of the slate drawn anew from those that pass, and each place's probability."""
    places = min(query.slate_size, passing)
    greedy = np.arange(places)
    slate = drawn_slate(greedy, passing, query.epsilon, _generator(query.request_id))
    waiting = np.ones(len(full), bool)
    waiting[slate] = False
    probabilities = np.full(query.slate_size, np.nan)
    probabilities[:places] = step_probabilities(slate, greedy, passing, query.epsilon)
    return np.concatenate([full[slate], full[waiting]]), probabilities


def _generator(request_id: str) -> np.random.Generator:
    """The same request id explores in the same way, on every replica."""
    digest = hashlib.sha256(request_id.encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))
