"""Small feature stores, and the bundles' features that read them."""

import asyncio

import numpy as np

from serving.bundle import Features
from serving.features.lmdb_file import write_lmdb

NAMES = ("price", "quality", "age")
FEATURES = Features(context=("context_hour",), item=NAMES, defaults={"price": 9.5, "age": -1.0})
DEFAULTS = [9.5, 0.0, -1.0]
IDS = ("a", "b", "c")
MATRIX = np.array([[1, 2, 3], [4, np.nan, 6], [7, 8, 9]], np.float32)


def write_small(path, ids=IDS, matrix=MATRIX, names=NAMES):
    write_lmdb(path, ids, matrix, names)
    return path


def look_up(store, ids, features=FEATURES):
    """What a store answers, in an event loop of its own; the store stays open."""
    return asyncio.run(store.lookup(ids, features))


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now
