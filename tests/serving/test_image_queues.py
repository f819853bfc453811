"""Which batch is next, and how large it is."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.images.batch_times import BatchTimes
from serving.images.rows import Row
from serving.images.stage_queues import StageQueues

BUCKETS = (1, 2, 4, 8)
INFINITE = float("inf")


def times_of(*stages, buckets=BUCKETS):
    """Known times: for each stage seconds of a batch as a function of its bucket."""
    times = BatchTimes(buckets)
    for stage, seconds in enumerate(stages):
        for bucket in buckets:
            for _ in range(200):
                times.observe(stage, bucket, seconds(bucket))
    return times


def proportional(bucket):
    return 0.01 * bucket


def flat(bucket):
    return 0.01


def row_of(name, deadline=INFINITE, over=False):
    return Row(SimpleNamespace(deadline=deadline, over=over, name=name), 0, ())


def filled(queues, stage, rows, now=0.0):
    for row in rows:
        queues.add(stage, row, now)
    return rows


def names(batch):
    return [row.request.name for row in batch.rows]


@pytest.fixture
def queues():
    return StageQueues(3, times_of(flat, flat, flat), delay=0.5)


def test_rows_run_in_order_of_arrival_in_batches_of_at_most_the_largest_bucket(queues):
    filled(queues, 0, map(row_of, range(11)))
    first, second = queues.next_batch(1.0), queues.next_batch(1.0)
    assert (names(first), first.bucket) == (list(range(8)), 8)
    assert (names(second), second.bucket) == ([8, 9, 10], 4)
    assert first.waits == (1.0,) * 8
    assert queues.next_batch(1.0) is None


def test_later_stages_go_first_where_nothing_could_join_them(queues):
    filled(queues, 0, [row_of("gone", over=True)])
    filled(queues, 1, [row_of("first", over=True)])
    filled(queues, 2, [row_of("second")])
    assert queues.next_batch(0.0).stage == 2


def test_escalated_rows_wait_while_an_earlier_stage_has_rows_and_run_when_it_has_none(queues):
    filled(queues, 0, [row_of("a")])
    filled(queues, 1, [row_of("b")])
    assert [queues.next_batch(0.0).stage for _ in range(2)] == [0, 1]


def test_escalated_rows_wait_no_longer_than_the_delay(queues):
    filled(queues, 1, [row_of("b")], now=0.0)
    filled(queues, 0, map(row_of, range(20)))
    assert queues.next_batch(0.49).stage == 0
    assert queues.next_batch(0.5).stage == 1


def test_escalated_rows_that_fill_the_largest_bucket_run_at_once(queues):
    filled(queues, 1, map(row_of, range(8)))
    filled(queues, 0, [row_of("a")])
    assert queues.next_batch(0.0).stage == 1


def test_an_escalated_row_does_not_wait_beyond_its_deadline():
    queues = StageQueues(2, times_of(lambda _: 0.2, lambda _: 0.1), delay=5.0)
    filled(queues, 0, [row_of("a")])
    filled(queues, 1, [row_of("calm"), row_of("urgent", deadline=1.0)])
    assert queues.next_batch(0.69).stage == 0
    filled(queues, 0, [row_of("a")])
    assert queues.next_batch(0.71).stage == 1


def test_a_batch_of_a_later_stage_is_no_larger_than_its_deadlines_allow():
    queues = StageQueues(2, times_of(proportional, proportional), delay=0.0)
    filled(queues, 1, [row_of("urgent", deadline=0.05), *map(row_of, range(7))])
    urgent, rest = queues.next_batch(0.0), queues.next_batch(0.0)
    assert names(urgent) == ["urgent", 0, 1, 2]
    assert names(rest) == [3, 4, 5, 6]


def test_rows_that_nobody_waits_for_are_not_run(queues):
    rows = filled(queues, 0, [row_of("a"), row_of("gone", over=True), row_of("taken"), row_of("b")])
    rows[2].take()
    assert names(queues.next_batch(0.0)) == ["a", "b"]


def test_rows_are_late_when_the_smallest_batch_would_end_after_their_deadline():
    queues = StageQueues(2, times_of(flat, lambda _: 0.3), delay=0.0)
    filled(queues, 0, [row_of("first stage", deadline=0.9)])
    filled(queues, 1, [row_of("late", deadline=1.05), row_of("in time", deadline=1.5), row_of("calm")])
    assert [row.request.name for row in queues.late(0.8)] == ["late"]
    assert [row.request.name for row in queues.late(0.9)] == ["late", "first stage"]


@pytest.mark.parametrize(
    ("seconds", "waiting", "taken"), [(proportional, 5, 4), (proportional, 8, 8), (flat, 5, 5), (flat, 3, 3)]
)
def test_a_bucket_is_padded_where_that_takes_less_time_than_two_batches(seconds, waiting, taken):
    assert times_of(seconds).rows_to_take(0, waiting) == taken


@given(st.sets(st.integers(1, 64), min_size=1), st.integers(1, 200), st.lists(st.floats(1e-4, 1), max_size=20))
def test_every_number_of_rows_is_taken_in_batches_that_fit_their_buckets(buckets, rows, seconds):
    times = BatchTimes(sorted(buckets))
    for place, value in enumerate(seconds):
        times.observe(0, times.buckets[place % len(times.buckets)], value)
    while rows:
        taken = times.rows_to_take(0, rows)
        assert 1 <= taken <= min(rows, times.bucket_for(taken))
        assert times.bucket_for(taken) in buckets
        rows -= taken


@given(st.lists(st.floats(1e-5, 1.0), min_size=1))
def test_a_likely_time_lies_between_what_was_seen_and_a_cautious_bound(seen):
    times = BatchTimes(BUCKETS)
    for seconds in seen:
        times.observe(0, 4, seconds)
    assert min(seen) * (1 - 1e-9) <= times.mean(0, 4) <= max(seen) * (1 + 1e-9)
    assert times.mean(0, 4) <= times.likely(0, 4) <= 3 * max(seen)


def test_a_backlog_is_counted_in_whole_batches():
    times = times_of(proportional)
    assert times.backlog(0, 0) == 0
    assert times.backlog(0, 19) == pytest.approx(0.08 + 0.08 + 0.04)
    assert times.backlog(1, 19) == 0


@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from((INFINITE, 0.5, 3.0)), st.booleans()), max_size=60),
    st.floats(0, 1),
)
def test_every_wanted_row_is_taken_exactly_once(arrivals, delay):
    queues = StageQueues(3, times_of(proportional, flat, proportional), delay)
    rows = [row_of(number, deadline, over) for number, (_, deadline, over) in enumerate(arrivals)]
    for number, (stage, _, _) in enumerate(arrivals):
        queues.add(stage, rows[number], 0.001 * number)
    taken, now = [], 0.1
    while (batch := queues.next_batch(now)) is not None:
        assert 1 <= len(batch.rows) <= batch.bucket
        assert batch.bucket in BUCKETS
        taken += names(batch)
        now += 0.01
    assert sorted(taken) == [row.request.name for row in rows if not row.request.over]
