"""`python -m benchmarks.serving_tensorflow BUNDLE FEATURES`: the same models in one process with TensorFlow.

Prints seconds from the start of Python to the first slate, and the median of one request.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import numpy as np


def main(bundle: Path, features: Path) -> None:
    # The time the process itself was started, not this module.
    ticks = int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    running = uptime - ticks / os.sysconf("SC_CLK_TCK")
    begun = time.perf_counter()
    import lightgbm
    import tensorflow as tf

    trees = lightgbm.Booster(model_file=str(bundle / "base_ranker" / "model.txt"))
    gate = tf.saved_model.load(str(bundle / "saved_model" / "gate")).signatures["serving_default"]
    seq2slate = tf.saved_model.load(str(bundle / "saved_model" / "seq2slate")).signatures["serving_default"]
    with np.load(features) as given:
        matrix = given["features"]

    def rank() -> np.ndarray:
        scores = trees.predict(matrix, num_threads=1)
        passes = gate(features=tf.constant(matrix))["passes"].numpy()
        order = np.argsort(-scores, kind="stable")
        order = order[passes[order]]
        mask = np.ones((1, len(order)), bool)
        placed = seq2slate(features=tf.constant(matrix[order][np.newaxis]), mask=tf.constant(mask))
        return order[placed["order"].numpy()[0]]

    rank()
    start = running + time.perf_counter() - begun
    seconds = []
    for _ in range(200):
        once = time.perf_counter()
        rank()
        seconds.append(time.perf_counter() - once)
    print(json.dumps({"start": start, "median": float(np.median(seconds))}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
