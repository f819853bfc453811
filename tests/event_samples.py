"""Events for the tests of the log."""

import numpy as np

from serving.events import Acted, FeatureNames, Shown

NAMES = FeatureNames(("context_hour",), ("price", "quality", "age"))


def shown(number=0, items=2, **changes):
    """A slate of `items` items with features of its own."""
    rng = np.random.default_rng(number)
    fields = {
        "event_id": f"slate:r{number}",
        "time": 1_700_000_000_000_000 + number,
        "request_id": f"r{number}",
        "item_ids": tuple(f"i{row}" for row in range(items)),
        "positions": tuple(range(1, items + 1)),
        "propensities": (0.5,) * (items - 1) + (None,),
        "names": NAMES,
        "context": rng.normal(size=1).astype(np.float32),
        "features": rng.normal(size=(items, 3)).astype(np.float32),
        "user_id": "u\u00e9",
    }
    return Shown(**{**fields, **changes})


def acted(number=0, **changes):
    """A click on the first item of `shown(number)`."""
    fields = {
        "event_id": f"click-{number}",
        "time": 1_700_000_000_500_000 + number,
        "request_id": f"r{number}",
        "item_id": "i0",
        "action": "click",
    }
    return Acted(**{**fields, **changes})
