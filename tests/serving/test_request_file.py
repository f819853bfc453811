"""Requests as JSON files."""

import json

import pytest

from seriatim_errors import DataError
from serving.request_file import read_request

REQUEST = {"request_id": "r1", "item_ids": ["a", "b"], "features": [[0, 1.5], [2, 1]], "slate_size": 2}


def written(folder, content):
    path = folder / "request.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_a_request_is_read_with_its_optional_parts_empty(tmp_path):
    request = read_request(written(tmp_path, REQUEST))
    empty = {"context": [], "feature_names": [], "context_names": [], "bundle_version": "", "user_id": ""}
    assert request.model_dump() == {**REQUEST, **empty}


def test_a_request_may_leave_the_features_to_the_service(tmp_path):
    without = {name: value for name, value in REQUEST.items() if name != "features"}
    assert read_request(written(tmp_path, without)).features is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "the file: Input should be a valid dictionary"),
        ({**REQUEST, "colour": 1}, "unknown field 'colour'; known are request_id, item_ids"),
        ({name: value for name, value in REQUEST.items() if name != "item_ids"}, "field 'item_ids' is missing"),
        ({**REQUEST, "features": 1}, "features: Input should be a valid list"),
        ({**REQUEST, "features": [[1, 2], [1]]}, "features: row 1 has 1 numbers, row 0 has 2"),
        ({**REQUEST, "features": [["x", 1], [1, 2]]}, r"features.0.0: Input should be a valid number"),
        ({**REQUEST, "request_id": 1}, "request_id: Input should be a valid string"),
        ({**REQUEST, "item_ids": [1, 2]}, r"item_ids.0: Input should be a valid string"),
        ({**REQUEST, "slate_size": "2"}, "slate_size: Input should be a valid integer"),
        ({**REQUEST, "slate_size": 1.5}, "slate_size: Input should be a valid integer"),
    ],
)
def test_a_file_that_breaks_the_contract_is_refused_with_its_field(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        read_request(written(tmp_path, content))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere.json: No such file"):
        read_request(tmp_path / "nowhere.json")
