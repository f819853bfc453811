"""Does the gate keep the recall it promises on requests it has not seen, and which calibration keeps it best?

LETOR MQ2008: each of the four parts is held out in turn, with several seeds. Three thresholds for the same target:
from the training scores themselves, from a split of the training requests that is kept out, and from out-of-fold
scores (what the pipeline uses).
"""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import numpy as np

from benchmarks.harness import parse_options, report
from benchmarks.ranking_data import as_lists
from pipelines.readers import read_log
from ranking.lists import RankingLists
from ranking.rate_constraints import GateSettings, exact_threshold, train_gate
from ranking.standardisation import Standardisation

NEEDS = {"minutes": 3, "least": 0.5, "data": ["mq2008"]}
PARTS, TARGET, CALIBRATION_SHARE = (1, 2, 3, 4), 0.95, 0.25
DATA = Path("../shared/data/mq2008")


def main() -> None:
    data_argument = ("--data", {"type": Path, "default": DATA, "help": "folder of S1.txt[.gz] ... S4.txt[.gz]"})
    options = parse_options("bench_gate_promise", __doc__ or "", data_argument)
    files = [next(options.extra.data.glob(f"S{part}.txt*")) for part in PARTS]
    logs = read_log(files, "letor")
    errors: dict[str, list[float]] = {"training scores": [], "kept-out split": [], "out of fold": []}
    pass_shares: dict[str, list[float]] = {name: [] for name in errors}
    end, seed = time.monotonic() + 60 * options.budget, 0
    while seed == 0 or time.monotonic() < end:
        for held_out in range(len(PARTS)):
            train = as_lists([log for index, log in enumerate(logs) if index != held_out])
            test = as_lists([logs[held_out]])
            standardisation = Standardisation.fit(train.features)
            train = train.with_features(standardisation.apply(train.features))
            test = test.with_features(standardisation.apply(test.features))
            for name, (scores, threshold) in _calibrated(train, test, seed).items():
                passed = scores >= threshold
                errors[name].append(float(passed[test.grades >= 1].mean() - TARGET))
                pass_shares[name].append(float(passed.mean()))
        seed += 1
    rows, figures = [], {}
    for name, values in errors.items():
        row = {
            "threshold from": name,
            "runs": len(values),
            "mean recall": TARGET + float(np.mean(values)),
            "mean |error|": float(np.mean(np.abs(values))),
            "within 2 points": float(np.mean(np.abs(values) <= 0.02)),
            "pass share": float(np.mean(pass_shares[name])),
        }
        rows.append(row)
        key = name.replace(" ", "_").replace("-", "_")
        figures |= {f"{key}_mean_absolute_error": row["mean |error|"], f"{key}_within_2_points": row["within 2 points"]}
    report(options, {"target_recall": TARGET, "seeds": seed, "parts": list(PARTS)}, figures, rows)


def _calibrated(train: RankingLists, test: RankingLists, seed: int) -> dict[str, tuple[np.ndarray, float]]:
    """Scores of the test items and the threshold, by calibration."""
    settings = GateSettings(target_recall=TARGET, seed=seed)
    labels = (train.grades >= 1).astype(np.float32)
    gate = train_gate(train, labels, settings)
    scores = gate.scorer.score(test.features)
    own = exact_threshold(gate.scorer.score(train.features)[labels > 0], TARGET)
    order = np.random.default_rng(seed).permutation(len(train))
    cut = round(CALIBRATION_SHARE * len(train))
    kept_out, used = train.select(order[:cut]), train.select(order[cut:])
    smaller = train_gate(used, (used.grades >= 1).astype(np.float32), dataclasses.replace(settings, folds=2))
    split = exact_threshold(smaller.scorer.score(kept_out.features)[kept_out.grades >= 1], TARGET)
    return {
        "training scores": (scores, own),
        "kept-out split": (smaller.scorer.score(test.features), split),
        "out of fold": (scores, gate.threshold),
    }


if __name__ == "__main__":
    main()
