"""Label forests as files hold them: one made by hand, random ones, and their best labels by trying all."""

import itertools

import numpy as np


def hand_made_forest(**changes):
    """Two tags and a label of three states over `age` and `price`; `changes` replace keys, None takes one out.

    What is young is new, what is new tends to be popular, and a high price makes it large.
    """
    tags = [["0", "1", ""], ["0", "1", ""], ["small", "medium", "large"]]
    weights = np.zeros((2, 3, 3))
    weights[0, 0, 1], weights[0, 1, 1] = -1.0, -0.25
    weights[1, 2] = [-1.0, 0.0, 1.0]
    bias = np.zeros((3, 3))
    bias[:2, 2] = -np.inf
    pairs = np.zeros((2, 3, 3))
    pairs[0, 1, 1], pairs[1, 1, 2] = 0.5, 0.25
    arrays = {
        "format": np.array("seriatim-labeller-1"),
        "feature_names": np.array(["age", "price"]),
        "label_names": np.array(["tag_new", "tag_popular", "size"]),
        "state_names": np.array(tags),
        "states": np.array([2, 2, 3]),
        "unary_weights": weights,
        "unary_bias": bias,
        "edges": np.array([[0, 1], [1, 2]]),
        "pair_tables": pairs,
        "temperature": np.array(np.nan),
    }
    return {name: values for name, values in {**arrays, **changes}.items() if values is not None}


def random_forest(rng, states, edge_share=0.8, pair_columns=0, draw=None):
    """A random forest over labels with that many states each, which reads the features `f0`, `f1` and `f2`."""
    draw = rng.normal if draw is None else draw
    states = np.array(states)
    labels, most, width = len(states), int(states.max()), 3
    names = rng.permutation(labels)
    joined = [(names[child], names[rng.integers(0, child)]) for child in range(1, labels) if rng.random() < edge_share]
    edges = np.array(sorted((min(pair), max(pair)) for pair in joined), np.int64).reshape(-1, 2)
    absent = np.arange(most) >= states[:, np.newaxis]
    arrays = {
        "format": np.array("seriatim-labeller-1"),
        "feature_names": np.array([f"f{column}" for column in range(width)]),
        "label_names": np.array([f"label {label}" for label in range(labels)]),
        "state_names": np.where(absent, "", np.arange(most).astype(str)),
        "states": states,
        "unary_weights": draw(size=(width, labels, most)),
        "unary_bias": np.where(absent, -np.inf, draw(size=(labels, most))),
        "edges": edges,
        "pair_tables": draw(size=(len(edges), most, most)),
        "temperature": np.array(1.5),
    }
    if pair_columns:
        arrays["pair_columns"] = rng.integers(0, width, pair_columns)
        arrays["pair_weights"] = draw(size=(pair_columns, len(edges), most, most))
    return arrays


def write_forest(path, arrays):
    """The arrays as a file."""
    np.savez(path, **arrays)
    return path


def best_labels(arrays, features):
    """All labelings `[best, labels]` of one item's `features` with the highest score, by trying every one."""
    unary = np.tensordot(features, arrays["unary_weights"], 1) + arrays["unary_bias"]
    tables = arrays["pair_tables"]
    if "pair_columns" in arrays:
        tables = tables + np.tensordot(features[arrays["pair_columns"]], arrays["pair_weights"], 1)
    labelings = np.array(list(itertools.product(*map(range, arrays["states"]))))
    scores = unary[np.arange(len(unary)), labelings].sum(axis=1)
    for table, (low, high) in zip(tables, arrays["edges"], strict=True):
        scores += table[labelings[:, low], labelings[:, high]]
    return labelings[scores == scores.max()]


def distances(edges, count):
    """Steps between any two labels, `[count, count]`; infinite between components."""
    steps = np.where(np.eye(count, dtype=bool), 0.0, np.inf)
    for low, high in edges:
        steps[low, high] = steps[high, low] = 1
    for middle in range(count):
        steps = np.minimum(steps, steps[:, [middle]] + steps[[middle]])
    return steps
