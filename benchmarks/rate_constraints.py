"""Do thresholds that are quantiles of the scores win precision where recall is high, and keep the rate they promise?

Linear models on UCI letter (one letter against the rest), adult and spambase, split 50/25/25 at random; means of
several splits. `PR-AUC` is the average precision over the positives at recall 0.95 to 1, in per cent, of a model
trained for it; `precision` and `recall` are those of a model trained for precision at 95 % recall, at a threshold from
one half of the validation part. All methods take the same full-batch steps and start from cross-entropy with the
classes weighted alike, except cross-entropy itself, which scikit-learn fits to convergence. Each method chooses one of
three settings on validation data, for the threshold's sake on the other half.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.progress import track
from scipy.stats import t as student
from sklearn.linear_model import LogisticRegression

from benchmarks.harness import ONE_THREAD, parse_options, report
from ranking.rate_constraints import (
    FitSettings,
    QuantileEstimator,
    RateObjective,
    exact_threshold,
    fit_scorer,
    realised_rate,
)

NEEDS = {"minutes": 60, "least": 3, "small": ["--letters", "A", "--runs", "1"], "data": ["binary"]}
DATA = Path("../shared/data/binary")
RECALL = 0.95
CROSS_ENTROPY, WEIGHTED = "cross-entropy", "cross-entropy, classes alike"
SETTINGS = FitSettings(epochs=200, learning_rate=0.1, final_rate=0.02, l2=1e-3, cross_entropy_share=0.2)
# Of every method the settings to choose from, by PR-AUC on the validation part: how smooth its rates are, or how fast
# its multipliers move; of cross-entropy, its regularisation.
INVERSE_PENALTIES = (0.01, 1.0, 100.0)
METHODS = {
    "Lagrangian (TFCO kind)": [replace(SETTINGS, method="lagrangian", dual_rate=rate) for rate in (0.02, 0.05, 0.2)],
    "implicit (ICO)": [replace(SETTINGS, method="implicit", sharpness=value) for value in (4.0, 8.0, 16.0)],
    "quantile, kernel": [
        replace(SETTINGS, estimator=QuantileEstimator("kernel", bandwidth)) for bandwidth in (1.0, 2.0, 4.0)
    ],
    "quantile, interval": [
        replace(SETTINGS, estimator=QuantileEstimator("interval", bandwidth)) for bandwidth in (0.5, 1.0, 2.0)
    ],
    "quantile, point": [replace(SETTINGS, estimator=QuantileEstimator("point"))],
}
# Kumar, Narasimhan and Cotter, "Implicit rate-constrained optimization of non-decomposable objectives", ICML 2021:
# PR-AUC on recall [0.95, 1] of linear models, means of five runs. They do not name the letter; their split differs.
PUBLISHED = {
    "letter": {CROSS_ENTROPY: 15.13, "Lagrangian (TFCO kind)": 20.49, "implicit (ICO)": 23.04},
    "adult": {CROSS_ENTROPY: 39.74, "Lagrangian (TFCO kind)": 40.21, "implicit (ICO)": 40.34},
    "spambase": {CROSS_ENTROPY: 71.51, "Lagrangian (TFCO kind)": 73.08, "implicit (ICO)": 73.48},
}
ALL_METHODS = (CROSS_ENTROPY, WEIGHTED, *METHODS)
Score = Callable[[NDArray[np.float32]], NDArray[np.float64]]
Reader = Callable[[Path], tuple[NDArray[np.float64], NDArray[np.float32]]]


@dataclass(frozen=True)
class Split:
    """Standardised features `[items, features]` and labels {0, 1} `[items]` of one part."""

    features: NDArray[np.float32]
    labels: NDArray[np.float32]


def main() -> None:
    """Fit every method on every split of every set and report means with their intervals."""
    options = parse_options(
        "rate_constraints",
        __doc__ or "",
        ("--data", {"type": Path, "default": DATA, "help": "folder with the UCI files, plain or gzip"}),
        ("--letters", {"default": "AU", "help": "letters to tell from the rest, each a set of its own"}),
        ("--workers", {"type": int, "default": 2, "help": "processes at a time"}),
        ("--runs", {"type": int, "default": 10, "help": "random splits"}),
    )
    sets = {f"letter {letter}": partial(read_letter, letter=letter) for letter in options.extra.letters}
    sets |= {"adult": read_adult, "spambase": read_spambase}
    jobs = [(name, options.extra.data, read, run) for name, read in sets.items() for run in range(options.extra.runs)]
    os.environ.update(ONE_THREAD)
    results: dict[tuple[str, str], list[dict[str, float]]] = {}
    with ProcessPoolExecutor(options.extra.workers, get_context("spawn")) as pool:
        for name, values in track(pool.map(one_split, jobs), "splits", len(jobs)):
            for method, figures_of_method in values.items():
                results.setdefault((name, method), []).append(figures_of_method)
    rows: list[dict[str, Any]] = []
    figures: dict[str, float] = {}
    for (name, method), runs in results.items():
        values = pd.DataFrame(runs)
        published = PUBLISHED[name.split()[0]].get(method)
        rows.append(
            {
                "set": name,
                "method": method,
                "positives %": float(values["positives"].mean()),
                "PR-AUC [0.95, 1]": with_interval(values["area"]),
                "published": "" if published is None else published,
                "precision at 95 % recall": with_interval(values["precision"]),
                "recall on test": with_interval(values["recall"]),
                "seconds": float(values["seconds"].mean()),
            }
        )
        key = f"{name}_{method}".replace(" ", "_").replace(",", "").replace("(", "").replace(")", "")
        figures[f"{key}_area"] = float(values["area"].mean())
        figures[f"{key}_recall_error_points"] = float(values["recall"].mean() - 100 * RECALL)
    report(options, {"runs": options.extra.runs, "split": "50/25/25", "model": "linear"}, figures, rows)


def one_split(job: tuple[str, Path, Reader, int]) -> tuple[str, dict[str, dict[str, float]]]:
    """The set's name, and of every method what it reaches on one random split."""
    name, folder, read, run = job
    train, validation, test = split(*read(folder), np.random.default_rng(run))
    return name, {method: measured(method, run, train, validation, test) for method in ALL_METHODS}


def measured(method: str, run: int, train: Split, validation: Split, test: Split) -> dict[str, float]:
    """What one method reaches on one split."""
    start = time.process_time()
    for_area = best_of(method, RateObjective.area_under_precision(RECALL), run, train, validation, area)
    seconds = time.process_time() - start
    chosen_on, held_out = halves(validation)
    score = best_of(method, RateObjective.precision_at_recall(RECALL), run, train, chosen_on, precision)
    positive_scores = score(held_out.features)[held_out.labels > 0]
    # Of n scores drawn alike, the next one passes the k-th lowest of them with probability 1 - k / (n + 1).
    count = len(positive_scores)
    threshold = exact_threshold(positive_scores, min(RECALL * (count + 1) / count, 1.0))
    scores = score(test.features)
    return {
        "area": area(for_area(test.features), test.labels),
        "precision": 100 * float(test.labels[scores >= threshold].mean()),
        "recall": 100 * realised_rate(scores[test.labels > 0], threshold),
        "seconds": seconds,
        "positives": 100 * float(np.concatenate([train.labels, validation.labels, test.labels]).mean()),
    }


def halves(part: Split) -> tuple[Split, Split]:
    """Every other item: a threshold needs data that chose no setting."""
    first, second = (Split(part.features[start::2], part.labels[start::2]) for start in (0, 1))
    return first, second


def best_of(
    method: str,
    objective: RateObjective,
    run: int,
    train: Split,
    validation: Split,
    figure: Callable[[NDArray[np.float64], NDArray[np.float32]], float],
) -> Score:
    """The scores by those settings of a method whose `figure` on the validation part is best."""
    if method in METHODS:
        scorers = [fitted(settings, objective, run, train) for settings in METHODS[method]]
    else:
        scorers = cross_entropies(method, train)
    return max(scorers, key=lambda score: figure(score(validation.features), validation.labels))


def fitted(settings: FitSettings, objective: RateObjective, run: int, train: Split) -> Score:
    """The scores of a linear model under rate constraints."""
    full_batch = replace(settings, batch_size=len(train.labels), seed=run)
    scorer = fit_scorer(train.features, train.labels, objective, full_batch).scorer
    return lambda features: scorer.score(features).astype(np.float64)


def cross_entropies(method: str, train: Split) -> list[Score]:
    """The scores of linear models without constraints, one a penalty."""
    weights = "balanced" if method == WEIGHTED else None
    models = [
        LogisticRegression(C=penalty, class_weight=weights, max_iter=2000).fit(train.features, train.labels)
        for penalty in INVERSE_PENALTIES
    ]
    return [model.decision_function for model in models]


def area(scores: NDArray[np.float64], labels: NDArray[np.float32]) -> float:
    """Mean precision, per cent, at the ranks of the positives whose recall is in [0.95, 1]: normalised area."""
    ranks = np.flatnonzero(labels[np.argsort(-scores, kind="stable")] > 0) + 1
    found = np.arange(1, len(ranks) + 1)
    return 100 * float((found / ranks)[found >= RECALL * len(ranks) - 1e-9].mean())


def precision(scores: NDArray[np.float64], labels: NDArray[np.float32]) -> float:
    """Precision, per cent, where 95 % of the positives pass."""
    return 100 * float(labels[scores >= exact_threshold(scores[labels > 0], RECALL)].mean())


def split(
    features: NDArray[np.float64], labels: NDArray[np.float32], rng: np.random.Generator
) -> tuple[Split, Split, Split]:
    """Half for training, a quarter each for validation and test; standardised by the training half."""
    order = rng.permutation(len(labels))
    parts = np.split(order, [len(order) // 2, 3 * len(order) // 4])
    mean, deviation = features[parts[0]].mean(axis=0), features[parts[0]].std(axis=0)
    standardised = ((features - mean) / np.where(deviation > 0, deviation, 1.0)).astype(np.float32)
    train, validation, test = (Split(standardised[part], labels[part]) for part in parts)
    return train, validation, test


def with_interval(values: pd.Series) -> str:
    """Mean and half the 95 % Student interval over runs."""
    half = float(student.ppf(0.975, len(values) - 1)) * float(values.std(ddof=1)) / len(values) ** 0.5
    return f"{values.mean():.2f} ± {half:.2f}"


def read_letter(folder: Path, letter: str) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """UCI letter recognition: 16 features; positive where the letter is `letter`."""
    table = pd.read_csv(_file(folder, "letter-recognition.data"), header=None)
    return table.iloc[:, 1:].to_numpy(np.float64), (table[0] == letter).to_numpy(np.float32)


def read_adult(folder: Path) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """UCI adult, both files: six numbers and the categories one-hot; positive where the income is above 50K."""
    parts = [
        pd.read_csv(_file(folder, name), header=None, skipinitialspace=True, comment="|")
        for name in ("adult.data", "adult.test")
    ]
    table = pd.concat(parts, ignore_index=True)
    labels = table.pop(14).str.startswith(">50K").to_numpy(np.float32)
    return pd.get_dummies(table).to_numpy(np.float64), labels


def read_spambase(folder: Path) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """UCI spambase: 57 features; positive: spam."""
    table = pd.read_csv(_file(folder, "spambase.data"), header=None, low_memory=False)
    # Some copies begin with the columns' names.
    table = table[pd.to_numeric(table[0], errors="coerce").notna()].astype(float)
    return table.iloc[:, :57].to_numpy(np.float64), table[57].to_numpy(np.float32)


def _file(folder: Path, name: str) -> Path:
    return next(path for path in (folder / name, folder / f"{name}.gz") if path.exists())


if __name__ == "__main__":
    main()
