"""How the benchmark of cascades chooses: strictly, and by the rule of one standard error."""

import numpy as np

from benchmarks.cascade_ways import Searched, accuracy, best_single, cheapest, lenient, paired_difference

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


def test_the_rule_of_one_standard_error_gives_up_no_more_than_that_and_is_no_dearer():
    classes = np.random.default_rng(1).integers(2, size=ROWS)
    members = predictions(classes, {"small": 0.9, "large": 0.93})
    costs = {"small": 10, "large": 100}
    assert best_single(members, classes) == "large"
    search = Searched.of(members, classes, costs)
    strict = cheapest(search, "large", False, "cascade")
    mild = lenient(search, strict)
    assert mild.kind == "lenient cascade"
    answers = strict.routed(members).probabilities
    _, error = paired_difference(answers, members["large"], classes)
    lacked = accuracy(members["large"], classes) - accuracy(mild.routed(members).probabilities, classes)
    assert lacked <= error
    spent = [np.mean(10 + 100 * (way.routed(members).exit_stage > 0)) for way in (strict, mild)]
    assert spent[1] <= spent[0]
