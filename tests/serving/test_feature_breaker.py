"""The circuit breaker: how long what fails is left alone."""

import pytest

from serving.features.circuit_breaker import CircuitBreaker
from tests.serving.feature_files import Clock


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def breaker(clock):
    return CircuitBreaker(failures=3, pause=1.0, longest_pause=4.0, clock=clock)


def fail(breaker, times):
    for _ in range(times):
        assert breaker.allows()
        breaker.failed()


def test_single_failures_do_not_open_it(breaker):
    for _ in range(10):
        fail(breaker, 2)
        breaker.succeeded()
    assert breaker.closed
    assert breaker.allows()


def test_failures_in_a_row_open_it_for_a_pause(breaker, clock):
    fail(breaker, 3)
    assert not breaker.closed
    assert not breaker.allows()
    clock.now += 0.99
    assert not breaker.allows()


def test_after_the_pause_one_call_is_tried_and_the_others_go_on_being_refused(breaker, clock):
    fail(breaker, 3)
    clock.now += 1
    assert [breaker.allows() for _ in range(4)] == [True, False, False, False]
    breaker.succeeded()
    assert all(breaker.allows() for _ in range(4))


def test_the_pause_doubles_up_to_the_longest_and_begins_anew_after_a_success(breaker, clock):
    fail(breaker, 3)
    for pause in (1, 2, 4, 4):
        clock.now += pause - 0.5
        assert not breaker.allows()
        clock.now += 0.5
        fail(breaker, 1)
    clock.now += 4
    assert breaker.allows()
    breaker.succeeded()
    fail(breaker, 3)
    clock.now += 1
    assert breaker.allows()


def test_calls_under_way_when_it_opens_do_not_put_off_the_next_try(breaker, clock):
    fail(breaker, 3)
    clock.now += 0.5
    breaker.failed()
    clock.now += 0.5
    assert breaker.allows()


def test_a_try_that_nobody_reports_on_blocks_nothing(breaker, clock):
    fail(breaker, 3)
    clock.now += 1
    assert breaker.allows()
    clock.now += 2
    assert breaker.allows()
