"""Drift is TensorFlow Data Validation's divergence, told of the columns of numbers that both runs have."""

import numpy as np
import pandas as pd
import pytest
import tensorflow_data_validation as tfdv

from pipelines.drift import drift_between

SINCE = "2024-01-01T00:00:00+00:00"


def statistics(rows=4000, seed=0, shift=0.0, **columns):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"price": rng.normal(shift, 1.0, rows), "mobile": rng.integers(2, size=rows)} | columns)
    return tfdv.generate_statistics_from_dataframe(frame)


def test_a_shifted_column_comes_first_and_passes_the_threshold():
    drift = drift_between(statistics(), statistics(seed=1, shift=1.5), 0.1, SINCE)
    assert [column.column for column in drift.columns] == ["price", "mobile"]
    assert [column.column for column in drift.drifted] == ["price"]
    [price] = drift.drifted
    assert price.divergence > 0.2
    assert price.mean - price.mean_before == pytest.approx(1.5, abs=0.1)
    assert price.deviation == pytest.approx(1.0, abs=0.05)
    mobile = drift.columns[1]
    assert mobile.zeros == pytest.approx(0.5, abs=0.05)
    assert mobile.divergence < 0.01
    assert (drift.requests, drift.requests_before, drift.since) == (4000, 4000, SINCE)


def test_equal_data_do_not_differ():
    drift = drift_between(statistics(), statistics(), 0.1, SINCE)
    assert [column.divergence for column in drift.columns] == [0.0, 0.0]
    assert drift.drifted == ()


def test_columns_that_one_run_lacks_are_named_and_identifiers_are_no_features():
    ids = [f"i{row}" for row in range(4000)]
    before, now = statistics(age=np.arange(4000.0)), statistics(seed=1, tone=np.arange(4000.0), item_id=ids)
    drift = drift_between(before, now, 0.1, SINCE)
    assert (drift.added, drift.removed) == (("tone",), ("age",))
    assert {column.column for column in drift.columns} == {"price", "mobile"}
