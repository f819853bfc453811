"""Time and memory of an evaluation of two policies with paired differences, for ten thousand requests to a million."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from typing import Any

from benchmarks.evaluation_job import CHUNK, LIST_SIZE, METRIC, SAMPLES, SCIKIT_LEARN_REQUESTS
from benchmarks.harness import parse_options, report

NEEDS = {"minutes": 6, "least": 2, "small": ["--requests", "1000", "10000"]}
TITLES = {
    "in_chunks": "EvaluationStream in chunks",
    "at_once": "EvaluationStream at once",
    "plain": "plain bootstrap, a metric at a time",
    "scikit_learn": "scikit-learn a request, 4 metrics",
}
# The machine is shared: each way is measured so often, in turns with the others.
TURNS = 3


def main() -> None:
    """Measure every way at every size, each in a process of its own, and set the others in relation to the stream."""
    sizes = {"nargs": "+", "type": int, "default": [10_000, 100_000, 1_000_000], "help": "numbers of requests"}
    options = parse_options("evaluation_scale", __doc__ or "", ("--requests", sizes))
    requests: list[int] = options.extra.requests
    # The plain way has half the time, the larger sizes as much as the smaller ones.
    limit = options.budget * 60 / 2 / len(requests) / TURNS
    rows: list[dict[str, Any]] = []
    figures: dict[str, float] = {}
    for size in requests:
        turns = [{way: _measured(way, size, limit) for way in TITLES} for _ in range(TURNS)]
        found = {way: min((turn[way] for turn in turns), key=_seconds) for way in TITLES}
        stream = found["in_chunks"]
        rows += [_row(size, TITLES[way], each, stream) for way, each in found.items()]
        figures |= {
            f"seconds_of_{size}": _seconds(stream),
            f"peak_mib_of_{size}": stream["peak_mib"],
            f"peak_mib_of_{size}_at_once": found["at_once"]["peak_mib"],
            f"plain_intervals_times_the_time_{size}": found["plain"]["intervals_s"] / stream["intervals_s"],
            f"scikit_learn_times_the_time_{size}": found["scikit_learn"]["evaluation_s"] / stream["evaluation_s"],
            f"width_over_plain_{size}": stream["width"] / found["plain"]["width"],
        }
    settings = {
        "items": LIST_SIZE,
        "policies": 2,
        "samples": SAMPLES,
        "chunk": CHUNK,
        "width of": METRIC,
        "scikit_learn_requests": SCIKIT_LEARN_REQUESTS,
        "plain_limit_seconds": limit,
        "turns, of which the fastest counts": TURNS,
    }
    report(options, settings, figures, rows)


def _measured(way: str, requests: int, limit: float) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.evaluation_job", way, str(requests), str(limit)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise SystemExit(f"{way} of {requests} requests failed: {finished.stderr.strip()[-2000:]}")
    measured: dict[str, float] = json.loads(finished.stdout)
    return measured


def _row(requests: int, title: str, measured: dict[str, float], stream: dict[str, float]) -> dict[str, Any]:
    with_intervals = not math.isnan(measured["intervals_s"])
    streamed = _seconds(stream) if with_intervals else stream["evaluation_s"]
    # What was not measured to the end is multiplied up from the part that was.
    return {
        "requests": requests,
        "way": title,
        "requests/s": requests / _seconds(measured),
        "evaluation s": measured["evaluation_s"],
        "intervals s": measured["intervals_s"] if with_intervals else "",
        "measured": measured["measured_share"],
        # Without intervals in both where the way has none.
        "times the stream": _seconds(measured) / streamed,
        "peak MiB": measured["peak_mib"],
        "width": measured["width"] if with_intervals else "",
    }


def _seconds(measured: dict[str, float]) -> float:
    """Of the whole; a way without intervals has only the evaluation."""
    return measured["evaluation_s"] + (0.0 if math.isnan(measured["intervals_s"]) else measured["intervals_s"])


if __name__ == "__main__":
    main()
