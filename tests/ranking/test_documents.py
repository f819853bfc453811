"""The examples of docs/seq2slate.md and docs/rate_constraints.md run, and print what the pages say they show."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ranking.click_models import Cascade, DiverseClicks
from ranking.lists import RankingLists
from tests.page_examples import python_examples
from tests.ranking.tiny_seq2slate import clicked_lists


def shown(example: str, given: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> str:
    exec(example, given)
    return capsys.readouterr().out


def number(label: str, text: str) -> float:
    found = re.search(rf"^{label} \[?(-?[\d.]+)", text, flags=re.MULTILINE)
    assert found is not None, text
    return float(found.group(1))


def diverse_lists(count: int, seed: int) -> RankingLists:
    """Lists in an order of falling relevance, clicked by users who want variety."""
    lists = clicked_lists(count, seed=seed)
    lists = lists.reordered(lists.features[:, 0].astype(np.float64))
    lists = replace(lists, positions=np.tile(np.arange(1, 9), count).astype(np.int32))
    relevant = (lists.features[:, 0] > 0).astype(np.float32)
    return lists.with_clicks(DiverseClicks(Cascade(eta=0.0)).clicks(lists, relevant, np.random.default_rng(seed)))


def test_the_classifier_keeps_its_promise(capsys):
    [example] = python_examples("docs/rate_constraints.md")
    printed = shown(example, {}, capsys)
    assert number("promised", printed) == pytest.approx(0.95, abs=0.01)
    assert number("realised", printed) == pytest.approx(0.95, abs=0.05)


def test_seq2slate_ranks_better_than_its_base_order(capsys):
    lists = {"train": diverse_lists(600, 0), "validation": diverse_lists(100, 1), "test": diverse_lists(200, 2)}
    printed = shown(python_examples("docs/seq2slate.md")[0], dict(lists), capsys)
    assert number("seq2slate", printed) > number("base order", printed) + 0.02


def test_a_slate_obeys_its_rules_and_has_a_probability(capsys):
    printed = shown(python_examples("docs/seq2slate.md")[1], {}, capsys)
    found = re.match(r"\[(.+)\] (-[\d.]+)$", printed.strip())
    assert found is not None, printed
    slate = [int(item) for item in found.group(1).split()]
    assert slate[1] == 5
    assert len([item for item in slate if item < 3]) == 2
    assert -10 < float(found.group(2)) < 0
