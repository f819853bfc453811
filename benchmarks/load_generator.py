"""`python -m benchmarks.load_generator`: calls a service as many clients at once, and writes what each call took.

Closed: every client sends its next request when the last is answered. Open: requests arrive at random times (Poisson)
at a given rate whatever the service does, and time counts from when they should have been sent.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import numpy as np


@dataclass
class Calls:
    """What happened to the calls that ended within the measured time.

    Attributes:
        seconds: of each call that was answered.
        errors: of the others, by status.
    """

    seconds: list[float] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", required=True)
    parser.add_argument("--method", required=True, help="/package.Service/Method")
    parser.add_argument("--request", type=Path, required=True, help="file of the request's bytes")
    parser.add_argument("--out", type=Path, required=True, help="results, .npz")
    parser.add_argument(
        "--clients", type=int, default=1, help="closed loop: clients, each with a connection of its own"
    )
    parser.add_argument("--rate", type=float, default=0.0, help="open loop: calls a second over these connections")
    parser.add_argument("--warm-up", type=float, default=0.5, help="seconds that do not count")
    parser.add_argument("--seconds", type=float, default=3.0, help="seconds that count")
    parser.add_argument("--timeout", type=float, default=10.0, help="deadline of a call, in seconds")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    calls, elapsed = asyncio.run(generate(given))
    names = sorted(calls.errors)
    np.savez(
        given.out,
        seconds=np.array(calls.seconds),
        errors=np.array(names),
        error_counts=np.array([calls.errors[name] for name in names], np.int64),
        elapsed=np.array(elapsed),
    )


async def generate(given: argparse.Namespace) -> tuple[Calls, float]:
    """Send the load and collect its calls."""
    request = given.request.read_bytes()
    # A pool of its own gives each channel a connection of its own, as different callers have.
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
    channels = [grpc.aio.insecure_channel(given.target, options) for _ in range(given.clients)]
    methods = [channel.unary_unary(given.method) for channel in channels]
    # One after another: all at once would be a load that nobody measures.
    for method in methods:
        await method(request, wait_for_ready=True, timeout=60)
    calls = Calls()
    begin = time.perf_counter() + given.warm_up
    end = begin + given.seconds

    async def call(method: grpc.aio.UnaryUnaryMultiCallable, due: float) -> None:
        try:
            await method(request, timeout=given.timeout)
        except grpc.aio.AioRpcError as error:
            if begin <= time.perf_counter() <= end:
                calls.errors[error.code().name] = calls.errors.get(error.code().name, 0) + 1
            return
        now = time.perf_counter()
        if begin <= now <= end:
            calls.seconds.append(now - due)

    async def closed(method: grpc.aio.UnaryUnaryMultiCallable) -> None:
        while time.perf_counter() < end:
            await call(method, time.perf_counter())

    if given.rate:
        await _open(given, methods, call, end)
    else:
        await asyncio.gather(*map(closed, methods))
    for channel in channels:
        await channel.close()
    return calls, given.seconds


async def _open(given: argparse.Namespace, methods: list, call: object, end: float) -> None:
    rng = np.random.default_rng(given.seed)
    due, sent = time.perf_counter(), set()
    while due < end:
        wait = due - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        task = asyncio.ensure_future(call(methods[int(rng.integers(len(methods)))], due))  # type: ignore[operator]
        sent.add(task)
        task.add_done_callback(sent.discard)
        due += rng.exponential(1 / given.rate)
    await asyncio.gather(*sent)


if __name__ == "__main__":
    main()
