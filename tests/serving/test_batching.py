"""The queue before the models."""

import asyncio
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.batching import Batcher, Costs, DeadlinePassedError, OverloadedError
from serving.runtime import Decoding, InvalidRequestError
from tests.serving.small_bundles import make_query

FULL, ONE_STEP, BASE = Decoding.FULL, Decoding.ONE_STEP, Decoding.BASE


@types.coroutine
def next_round():
    """Wait for the event loop's next round."""
    yield


class SlowRanker:
    """Ranks in a time of its own: seconds a candidate by decoding; the clock is the test's."""

    version = "slow"
    decodings = (FULL, ONE_STEP, BASE)

    def __init__(self, ranker, seconds=(0.01, 0.005, 0.001)):
        self.ranker, self.now, self.batches = ranker, 0.0, []
        self.seconds = dict(zip(self.decodings, seconds, strict=True))

    def clock(self):
        return self.now

    def rank_batch(self, queries, decoding=FULL):
        self.batches.append((decoding, [query.request_id for query in queries]))
        self.now += self.seconds[decoding] * sum(len(query.item_ids) for query in queries)
        return self.ranker.rank_batch(queries, decoding)


@pytest.fixture
def slow(ranker):
    return SlowRanker(ranker)


def batcher_of(slow, queue_seconds=100.0, batch_requests=4, **changes):
    return Batcher(queue_seconds, batch_requests, clock=slow.clock, **changes)


def ranked_together(batcher, slow, queries, remaining=None):
    async def gather():
        calls = [batcher.rank(slow, query, remaining) for query in queries]
        return await asyncio.gather(*calls, return_exceptions=True)

    return asyncio.run(gather())


def test_a_lone_request_is_ranked_in_the_next_round_of_the_loop(ranker):
    async def rounds():
        batcher, query = Batcher(1.0, 8), make_query()
        task = asyncio.ensure_future(batcher.rank(ranker, query))
        count = 0
        while not task.done():
            await next_round()
            count += 1
        return count

    # One to enter the queue, two to see that nobody follows, one to wake up.
    assert asyncio.run(rounds()) <= 4


def test_requests_that_wait_are_ranked_together_and_each_gets_its_own_answer(slow, ranker):
    queries = [make_query(seed=seed) for seed in range(10)]
    slates = ranked_together(batcher_of(slow), slow, queries)
    assert [len(names) for _, names in slow.batches] == [4, 4, 2]
    for query, slate in zip(queries, slates, strict=True):
        assert slate.order == ranker.rank(query).order


def test_requests_of_two_bundles_are_never_in_one_batch(ranker):
    one, two = SlowRanker(ranker), SlowRanker(ranker)
    batcher = Batcher(100.0, 8)

    async def gather():
        return await asyncio.gather(
            *(batcher.rank(one if seed % 3 else two, make_query(seed=seed)) for seed in range(9))
        )

    asyncio.run(gather())
    assert [names for _, names in two.batches] == [["q0", "q3", "q6"]]
    assert [names for _, names in one.batches] == [["q1", "q2", "q4", "q5", "q7", "q8"]]


def test_a_bad_request_is_refused_alone(slow):
    good, bad = make_query(seed=1), make_query(seed=2, slate_size=99)
    answers = ranked_together(batcher_of(slow), slow, [good, bad])
    assert answers[0].version == slow.ranker.version
    assert isinstance(answers[1], InvalidRequestError)


def test_a_ranker_that_fails_fails_its_batch_and_the_next_is_served(slow, monkeypatch):
    batcher, query = batcher_of(slow), make_query()

    def broken(queries, decoding):
        raise MemoryError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(slow, "rank_batch", broken)
        (answer,) = ranked_together(batcher, slow, [query])
    assert isinstance(answer, MemoryError)
    (answer,) = ranked_together(batcher, slow, [query])
    assert answer.order == slow.ranker.rank(query).order


@pytest.mark.parametrize(("remaining", "decoding"), [(1.0, FULL), (0.06, ONE_STEP), (0.02, BASE), (0.001, BASE)])
def test_the_remaining_deadline_chooses_the_decoding(slow, remaining, decoding):
    costs = Costs()
    for kind in slow.decodings:
        for _ in range(200):
            costs.observe(kind, 8, 8 * slow.seconds[kind])
    (slate,) = ranked_together(batcher_of(slow, costs=costs), slow, [make_query(8)], remaining)
    assert slate.decoding is decoding


def test_a_request_without_deadline_is_decoded_in_full_however_slow(slow):
    costs = Costs()
    costs.observe(FULL, 8, 1e6)
    (slate,) = ranked_together(batcher_of(slow, costs=costs), slow, [make_query(8)])
    assert slate.decoding is FULL


def test_a_request_whose_deadline_passed_while_it_waited_is_not_ranked(slow):
    batcher = batcher_of(slow, batch_requests=1)
    first, second = ranked_together(batcher, slow, [make_query(8, 1), make_query(8, 2)], remaining=0.05)
    assert first.version == slow.ranker.version
    assert isinstance(second, DeadlinePassedError)
    assert len(slow.batches) == 1


def test_who_waited_too_long_is_refused_with_a_time_to_come_again(slow):
    batcher = batcher_of(slow, queue_seconds=0.05, batch_requests=1)
    first, second = ranked_together(batcher, slow, [make_query(8, 1), make_query(8, 2)])
    assert first.version == slow.ranker.version
    assert isinstance(second, OverloadedError)
    assert "80 ms, 50 ms are allowed" in str(second)


def test_who_would_wait_too_long_is_refused_at_once(slow):
    costs = Costs()
    for _ in range(100):
        costs.observe(FULL, 8, 0.08)
    batcher = batcher_of(slow, queue_seconds=0.2, batch_requests=8, costs=costs)
    answers = ranked_together(batcher, slow, [make_query(8, seed) for seed in range(6)])
    refused = [isinstance(answer, OverloadedError) for answer in answers]
    assert refused == [False, False, False, True, True, True]
    assert answers[-1].retry_after > 0.2
    assert sum(len(names) for _, names in slow.batches) == 3


def test_a_caller_that_is_gone_costs_nothing(slow):
    batcher = batcher_of(slow, batch_requests=1)

    async def leave():
        stays = asyncio.ensure_future(batcher.rank(slow, make_query(seed=1)))
        leaves = asyncio.ensure_future(batcher.rank(slow, make_query(seed=2)))
        await next_round()
        leaves.cancel()
        await stays
        await asyncio.gather(leaves, return_exceptions=True)

    asyncio.run(leave())
    assert [names for _, names in slow.batches] == [["q1"]]
    assert batcher.waiting == 0


def test_shadowed_requests_are_ranked_last_and_never_answered(slow, ranker):
    shadow, batcher = SlowRanker(ranker), batcher_of(slow)
    shadow.batches = slow.batches

    async def both():
        calls = [asyncio.ensure_future(batcher.rank(slow, make_query(seed=seed))) for seed in range(6)]
        await next_round()
        batcher.shadow(shadow, make_query(seed=7))
        slates = await asyncio.gather(*calls)
        while len(slow.batches) < 3:
            await next_round()
        return slates

    assert len(asyncio.run(both())) == 6
    assert [names for _, names in slow.batches] == [["q0", "q1", "q2", "q3"], ["q4", "q5"], ["q7"]]


def test_a_shadow_that_fails_harms_nobody(slow, monkeypatch, caplog):
    batcher = batcher_of(slow)

    def broken(queries, decoding):
        raise ValueError("bad bundle")

    async def both():
        monkeypatch.setattr(slow, "rank_batch", broken)
        batcher.shadow(slow, make_query(seed=7))
        await next_round()
        monkeypatch.undo()
        return await batcher.rank(slow, make_query(seed=1))

    assert asyncio.run(both()).version == slow.ranker.version
    assert "bundle slow failed on a shadowed request" in caplog.text


def test_every_batch_is_reported(slow):
    batches = []
    ranked_together(batcher_of(slow, observe=batches.append), slow, [make_query(8, seed) for seed in range(5)])
    assert [len(batch.answers) for batch in batches] == [4, 1]
    assert batches[0].seconds == pytest.approx(0.32)
    assert batches[1].waits == (pytest.approx(0.32),)
    assert {batch.version for batch in batches} == {"slow"}


@given(st.lists(st.tuples(st.integers(1, 2000), st.floats(1e-5, 1.0)), min_size=1))
def test_an_estimate_lies_between_what_was_seen_and_a_cautious_bound(seen):
    costs = Costs()
    for candidates, seconds in seen:
        costs.observe(FULL, candidates, seconds)
    low, high = min(seconds for _, seconds in seen), max(seconds for _, seconds in seen)
    for candidates, _ in seen:
        assert low <= costs.estimate(FULL, candidates) <= 6 * high


def test_costs_of_unknown_sizes_come_from_the_nearest():
    costs = Costs()
    assert costs.estimate(FULL, 100) == 0
    for _ in range(300):
        costs.observe(FULL, 100, 0.01)
    assert costs.estimate(FULL, 100) == pytest.approx(0.01, rel=1e-3)
    assert costs.estimate(FULL, 10) == costs.estimate(FULL, 100)
    assert costs.estimate(FULL, 400) == pytest.approx(4 * costs.estimate(FULL, 100))
    assert costs.estimate(BASE, 100) == 0
