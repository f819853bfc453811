"""Before anything is trained: the catalogue of a run meets its log, and what does not fit is named."""

import json

import pyarrow as pa
import pyarrow.parquet
import pytest

from pipelines.catalogue_of_run import catalogue_of_run
from pipelines.config import LabellerConfig, PipelineConfig
from pipelines.fingerprints import data_fingerprint, settings_of
from pipelines.ingest import prepare_log
from pipelines.simulation import SimulationSettings, planted_edges, write_marketplace
from pipelines.simulation.catalogue import TAG_TREE, TAGS
from seriatim_errors import DataError
from tests.pipelines.logs import small_log


def prepared(tmp_path, labeller=True, items=("i0", "i1", "x"), **changes):
    """A configuration and its prepared log; the log shows i0, i1 and i2."""
    pa.parquet.write_table(small_log(requests=12, **changes), tmp_path / "log.parquet")
    pa.parquet.write_table(pa.table({"item_id": items, "tag_a": [1, 0, 1]}), tmp_path / "items.parquet")
    config = PipelineConfig(
        name="demo",
        data={"path": tmp_path / "log.parquet", "items": tmp_path / "items.parquet", "evaluation_share": 0.5},
        labeller=LabellerConfig() if labeller else None,
    )
    return config, prepare_log(config.data, config.seed, tmp_path / "input")


def test_the_meeting_of_log_and_catalogue_is_told(tmp_path):
    said = []
    catalogue = catalogue_of_run(*prepared(tmp_path), said.append)
    assert catalogue.labels == ("a",)
    assert said == [
        f"item catalogue {catalogue.fingerprint}: 3 items with 1 tags; "
        "2 are among the 3 items of the log's training part"
    ]


def test_without_a_labeller_the_catalogue_is_not_read(tmp_path):
    config, log = prepared(tmp_path, labeller=False)
    (tmp_path / "items.parquet").unlink()
    assert catalogue_of_run(config, log, pytest.fail) is None


def test_a_log_without_features_of_items_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"columns item_\*, .*found: context_hour, affinity.* set labeller to null"):
        catalogue_of_run(*prepared(tmp_path, item_price=None), pytest.fail)


def test_a_catalogue_of_another_shop_is_refused(tmp_path):
    with pytest.raises(DataError, match="holds none of the 3 items"):
        catalogue_of_run(*prepared(tmp_path, items=("x", "y", "z")), pytest.fail)


def test_the_catalogue_is_part_of_the_data_but_not_of_the_log(tmp_path):
    config, log = prepared(tmp_path)
    catalogue = catalogue_of_run(config, log, str)
    assert data_fingerprint(log, None, None) == log.fingerprint
    first = data_fingerprint(log, catalogue, None)
    pa.parquet.write_table(pa.table({"item_id": ["i0"], "tag_a": [0]}), tmp_path / "items.parquet")
    again = prepare_log(config.data, config.seed, tmp_path / "input")
    assert again.fingerprint == log.fingerprint
    assert data_fingerprint(again, catalogue_of_run(config, again, str), None) != first


def test_where_the_catalogue_lies_shapes_no_result(tmp_path):
    config, _ = prepared(tmp_path)
    moved = config.model_copy(update={"data": config.data.model_copy(update={"items": tmp_path / "elsewhere"})})
    assert settings_of(moved) == settings_of(config)
    assert PipelineConfig.model_validate_json(settings_of(config)).labeller == LabellerConfig()
    unread = moved.model_copy(update={"labeller": None})
    none = unread.model_copy(update={"data": unread.data.model_copy(update={"items": None})})
    assert settings_of(unread) == settings_of(none) != settings_of(config)


def test_planted_edges_are_read_beside_a_simulated_catalogue(tmp_path):
    files = write_marketplace(SimulationSettings(requests=10), tmp_path)
    assert planted_edges(files.items) == tuple((TAGS[parent], TAGS[child]) for parent, child, _ in TAG_TREE)


@pytest.mark.parametrize("content", [None, "torn", "[]", "{}", json.dumps({"tags": ["a"], "tag_tree": [[0, 1, 1.0]]})])
def test_a_file_that_is_no_simulation_plants_nothing(tmp_path, content):
    if content is not None:
        (tmp_path / "simulation.json").write_text(content)
    assert planted_edges(tmp_path / "items.parquet") is None
