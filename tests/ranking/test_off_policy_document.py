"""The examples of docs/off_policy.md run, and print what they say they estimate."""

from __future__ import annotations

import re

import pytest

from tests.page_examples import python_examples

EXAMPLES = python_examples("docs/off_policy.md")


@pytest.mark.parametrize(
    ("example", "label", "truth"),
    # 0.1 * 0.02 + 0.1 * 0.05 + 0.2 * 0.08 + 0.6 * 0.11; the other two are what the log's own users make of it.
    [
        (EXAMPLES[0], "SNIPS", 0.089),
        (EXAMPLES[0], "DR", 0.089),
        (EXAMPLES[1], "SN-RIPS", 0.213),
        (EXAMPLES[2], "PBM", 0.788),
    ],
)
def test_an_example_covers_the_value_it_estimates(
    example: str, label: str, truth: float, capsys: pytest.CaptureFixture[str]
) -> None:
    exec(example, {})
    found = re.search(rf"^{label} [\d.]+ \[([\d.]+), ([\d.]+)\]", capsys.readouterr().out, flags=re.MULTILINE)
    assert found is not None
    low, high = map(float, found.groups())
    assert low < truth < high
