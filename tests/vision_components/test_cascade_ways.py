"""How the benchmark of cascades chooses: strictly, and with care."""

import numpy as np
import pytest

from benchmarks.cascade_ways import Searched, accuracy, best_single, cautious, cheapest, paired_difference
from seriatim_errors import DataError

ROWS = 600


def predictions(classes, shares):
    """Two-class members that name given shares of the rows rightly, the surer the more often right."""
    rng = np.random.default_rng(0)
    found = {}
    for name, share in shares.items():
        right = rng.permutation(ROWS) < share * ROWS
        sure = np.where(right, rng.uniform(0.55, 1.0, ROWS), rng.uniform(0.5, 0.65, ROWS))
        own = np.where(right, classes, 1 - classes)
        rows = np.stack([1 - sure, 1 - sure], axis=1)
        rows[np.arange(ROWS), own] = sure
        found[name] = rows.astype(np.float32)
    return found


def test_a_cautious_cascade_is_more_accurate_by_one_standard_error_and_no_cheaper():
    classes = np.random.default_rng(1).integers(2, size=ROWS)
    members = predictions(classes, {"small": 0.9, "large": 0.93})
    costs = {"small": 10, "large": 100}
    assert best_single(members, classes) == "large"
    search = Searched.of(members, classes, costs)
    strict = cheapest(search, "large", False, "cascade")
    [careful] = cautious(search, strict)
    assert careful.kind == "cautious cascade"
    answers = strict.routed(members).probabilities
    _, error = paired_difference(answers, members["large"], classes)
    gained = accuracy(careful.routed(members).probabilities, classes) - accuracy(members["large"], classes)
    assert gained >= error
    spent = [np.mean(10 + 100 * (way.routed(members).exit_stage > 0)) for way in (strict, careful)]
    assert spent[1] >= spent[0]


def test_a_margin_that_no_cascade_reaches_is_refused():
    classes = np.random.default_rng(1).integers(2, size=ROWS)
    alone = predictions(classes, {"only": 0.9})
    search = Searched.of(alone, classes, {"only": 10})
    assert cheapest(search, "only", False, "cascade").members == ("only",)
    with pytest.raises(DataError, match="more accurate than only"):
        cheapest(search, "only", False, "cascade", 0.2)
