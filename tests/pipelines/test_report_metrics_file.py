"""The metrics file: what is written is read back, and a wrong field is named."""

import json
import re
from pathlib import Path

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.report import (
    calibration_metrics,
    drift_metrics,
    explanation_metrics,
    exposure_metrics,
    labeller_metrics,
    metrics_file,
    off_policy_metrics,
    slice_metrics,
    span_metrics,
    start_metrics,
)
from pipelines.report.metrics_file import Interval, PositionClicks, read_metrics
from seriatim_errors import DataError
from tests.pipelines.made_up_metrics import HOSTILE, UNDEFINED, make_metrics, policy

DOCUMENT = Path(__file__).parents[2] / "docs" / "metrics.md"
numbers = st.floats(allow_nan=False, allow_infinity=False, width=64)


def test_the_metrics_file_survives_a_round_trip(tmp_path):
    make_metrics().save(tmp_path / "metrics.json")
    assert read_metrics(tmp_path / "metrics.json") == make_metrics()
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.json"]


@given(value=numbers, ends=st.tuples(numbers, numbers), count=st.integers(0, 10**9), name=st.text(max_size=20))
@settings(deadline=None, max_examples=60)
def test_any_interval_under_any_name_survives_a_round_trip(tmp_path_factory, value, ends, count, name):
    path = tmp_path_factory.getbasetemp() / "metrics.json"
    row = policy("base", HOSTILE, "clicks", 0.1)
    row = row.model_copy(update={"metrics": {name: Interval(value=value, low=min(ends), high=max(ends), count=count)}})
    metrics = make_metrics(policies=(row,))
    metrics.save(path)
    assert read_metrics(path) == metrics


def test_what_is_not_a_number_is_kept_as_undefined(tmp_path):
    nan = float("nan")
    metrics = make_metrics(training={"gate": ({"step": 1.0, "loss": nan},)})
    assert metrics.training["gate"][0]["loss"] is None
    assert Interval(value=nan, low=nan, high=nan, count=0) == UNDEFINED
    metrics.save(tmp_path / "metrics.json")
    assert read_metrics(tmp_path / "metrics.json") == metrics


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"value": 0.5, "low": 0.6, "high": 0.4, "count": 3}, "low 0.6 is above high 0.4"),
        ({"value": 0.5, "low": None, "high": 0.6, "count": 3}, "numbers together or null together"),
        ({"value": 0.5, "low": 0.4, "high": 0.6, "count": -1}, "greater than or equal to 0"),
        ({"value": float("inf"), "low": 0.4, "high": 0.6, "count": 1}, "finite number"),
    ],
)
def test_an_interval_that_contradicts_itself_is_refused(fields, message):
    with pytest.raises(pydantic.ValidationError, match=message):
        Interval(**fields)


def test_more_clicks_than_impressions_are_refused():
    with pytest.raises(pydantic.ValidationError, match="clicks 3 are more than impressions 2"):
        PositionClicks(position=1, impressions=2, clicks=3)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("gate", "target"), "high", "gate.target: Input should be a valid number, .* not 'high'"),
        (("gate", "target"), 1.5, "gate.target: Input should be less than or equal to 1, not 1.5"),
        (("run", "created"), "yesterday", "run.created: .*not 'yesterday'"),
        (("run", "created"), "2024-01-01T00:00:00", "run.created: .*has no offset from UTC"),
        (("policies", 0, "labels"), "likes", "policies.0.labels: Input should be 'clicks' or 'grades', not 'likes'"),
        (
            ("labeller", "edges", 0, "first"),
            "new",
            "edges: 'new' is none of the labels handmade",
        ),
        (("labeller", "edges", 2, "second"), "vintage", "edges: 'eco' and 'vintage' close a cycle; a forest has none"),
        (("labeller", "items", "trained"), 480, "trained 480 and held_out 121 do not add up to common 611"),
        (("slices", "rows", 1, "at_most"), 0.001, "slices: .*rows are not in rising order of at_most"),
        (("slices", "metric"), "mrr", "slices: .*the row of context_mobile = 1 lacks 'mrr'"),
        (("schema_version",), 2, "schema_version: Input should be 1, not 2"),
        (("blessing", "verdict"), "good", "blessing.verdict: Extra inputs are not permitted, not 'good'"),
    ],
)
def test_a_wrong_field_is_named_with_its_value(tmp_path, path, value, message):
    content = json.loads(make_metrics().model_dump_json())
    part = content
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    (tmp_path / "metrics.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=message) as refused:
        read_metrics(tmp_path / "metrics.json")
    assert "run the pipeline again" in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]"])
def test_a_file_that_is_no_metrics_file_is_refused(tmp_path, content):
    (tmp_path / "metrics.json").write_bytes(content)
    with pytest.raises(DataError, match=r"\(whole file\): "):
        read_metrics(tmp_path / "metrics.json")


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(DataError, match="is missing; run the pipeline first"):
        read_metrics(tmp_path / "metrics.json")
    with pytest.raises(DataError, match="cannot be read"):
        read_metrics(tmp_path)


def test_every_field_of_the_file_is_documented():
    models = [
        model
        for module in (
            metrics_file,
            calibration_metrics,
            drift_metrics,
            explanation_metrics,
            exposure_metrics,
            labeller_metrics,
            off_policy_metrics,
            slice_metrics,
            span_metrics,
            start_metrics,
        )
        for model in vars(module).values()
        if isinstance(model, type) and issubclass(model, pydantic.BaseModel) and model is not pydantic.BaseModel
    ]
    documented = set(re.findall(r"`([a-z_]+)`", DOCUMENT.read_text(encoding="utf-8")))
    fields = {field for model in models for field in model.model_fields}
    assert len(fields) > 50
    assert not fields - documented
