"""The configuration names what is wrong, and where."""

from pathlib import Path

import pytest

from pipelines.config import PipelineConfig, load_config
from pipelines.locations import Location
from seriatim_errors import ConfigError

MINIMAL = "name: demo\nseed: 1\ndata:\n  path: log.csv\n"


def written(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINIMAL + "gate:\n  target_recal: 0.9\n", r"line 6: gate.target_recal: unknown key"),
        (MINIMAL + "gate:\n  target_recall: 1.5\n", r"line 6: gate.target_recall: .*less than 1, got 1.5"),
        (MINIMAL + "seed2: 3\n", r"line 5: seed2: unknown key"),
        ("name: demo\ndata:\n  path: x\n  train: 5\n", r"line 4: data.train: .*got 5"),
        ("name: demo\n", r"data: required key is missing"),
        ("name: Bad Name\ndata: {path: x}\n", r"line 1: name"),
        ("- a\n- b\n", r"expected a mapping of keys, found list"),
        ("name: [\n", r"not valid YAML"),
        ("", r"expected a mapping of keys"),
        (MINIMAL + "when: 2024-99-99\n", r"not valid YAML: month must be"),
        (MINIMAL + "seed: 2\n", r"line 5: seed stands on line 2 already"),
        (MINIMAL + "gate:\n  folds: 3\n  folds: 4\n", r"line 7: gate.folds stands on line 6 already"),
        (MINIMAL + "evaluation: {cutoffs: [5, 0], blessing_metric: mrr}\n", r"line 5: evaluation.cutoffs.1: .*got 0"),
        (MINIMAL + "7: 1\n", r"line 5: 7: Keys should be strings"),
        (MINIMAL + "base_ranker: null\n", r"seq2slate needs base_ranker"),
        (MINIMAL + "labeller: {}\n", r"labeller needs data.items: .*name one, or set it to null"),
        (MINIMAL + "  items: items.csv\nlabeller: {ridge: 0}\n", r"line 6: labeller.ridge: .*greater than 0, got 0"),
        (MINIMAL + "evaluation: {off_policy: true}\n", r"off_policy needs data.format 'open_bandit'"),
        (MINIMAL + "evaluation:\n  slices: [a, b, a]\n", r"line 6: evaluation.slices: .*column 'a' stands twice"),
        (
            MINIMAL + "evaluation:\n  slices:\n  - a\n  - {column: b, bounds: [2, 1]}\n",
            r"line 8: evaluation.slices.1: .*bounds must rise, and 1 comes after 2",
        ),
        (
            MINIMAL + "evaluation: {slices: [{column: a, bounds: [2], buckets: 4}]}\n",
            r"buckets and bounds are both given; keep one of the two",
        ),
        (MINIMAL + "evaluation: {slices: [5]}\n", r"evaluation.slices.0: .*give a column by its name, .*got 5"),
        (MINIMAL + "evaluation: {slice_margin: -0.1}\n", r"evaluation.slice_margin: .*got -0.1"),
        (MINIMAL + "evaluation: {blessing_metric: ndcg_at_7}\n", r"line 5: evaluation: .*not computed"),
    ],
)
def test_a_wrong_configuration_is_named_with_its_line(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        load_config(written(tmp_path, text))


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"absent.yaml: No such file"):
        load_config(tmp_path / "absent.yaml")


def test_a_file_that_is_not_text_is_named(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_bytes(b"name: d\xe9mo\n")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        load_config(path)


def test_an_override_makes_the_section_it_needs(tmp_path):
    config = load_config(written(tmp_path, "name: demo\ndata: log.csv\n"), {"data.path": "b.csv"})
    assert config.data.path == Location("b.csv")


def test_overrides_lie_over_the_file(tmp_path):
    config = load_config(written(tmp_path, MINIMAL), {"data.path": "other.csv", "name": "changed"})
    assert config.data.path == Location("other.csv")
    assert config.bundle_folder == Path("bundles/changed")


def test_a_catalogue_without_a_labeller_is_allowed(tmp_path):
    config = load_config(written(tmp_path, MINIMAL + "  items: items.csv\n"))
    assert (config.data.items, config.labeller) == (Location("items.csv"), None)


def test_columns_to_slice_by_are_given_by_name_or_with_buckets_or_bounds(tmp_path):
    slices = "[a, {column: b, buckets: 4}, {column: c, bounds: [1, 2.5]}]"
    config = load_config(written(tmp_path, MINIMAL + f"evaluation: {{slices: {slices}}}\n"))
    assert [(one.column, one.buckets, one.bounds) for one in config.evaluation.slices] == [
        ("a", None, ()),
        ("b", 4, ()),
        ("c", None, (1.0, 2.5)),
    ]
    assert PipelineConfig.model_validate_json(config.model_dump_json()) == config


def test_the_default_run_sets_labels():
    config = load_config(Path(__file__).parents[2] / "configs" / "marketplace.yaml")
    assert config.labeller is not None
    assert config.data.items.local == config.data.path.local.parent / "items.parquet"


@pytest.mark.parametrize("path", sorted(Path(__file__).parents[2].glob("configs/*.yaml")), ids=lambda path: path.name)
def test_the_shipped_configurations_are_valid(path):
    assert load_config(path).name == path.stem
