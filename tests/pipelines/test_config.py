"""The configuration names what is wrong, and where."""

from pathlib import Path

import pytest

from pipelines.config import load_config
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
        (MINIMAL + "base_ranker: null\n", r"seq2slate needs base_ranker"),
        (MINIMAL + "evaluation: {off_policy: true}\n", r"off_policy needs data.format 'open_bandit'"),
        (MINIMAL + "evaluation: {blessing_metric: ndcg_at_7}\n", r"line 5: evaluation: .*not computed"),
    ],
)
def test_a_wrong_configuration_is_named_with_its_line(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        load_config(written(tmp_path, text))


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"absent.yaml: No such file"):
        load_config(tmp_path / "absent.yaml")


def test_overrides_lie_over_the_file(tmp_path):
    config = load_config(written(tmp_path, MINIMAL), {"data.path": "other.csv", "name": "changed"})
    assert config.data.path == Path("other.csv")
    assert config.bundle_folder == Path("bundles/changed")


@pytest.mark.parametrize("path", sorted(Path(__file__).parents[2].glob("configs/*.yaml")), ids=lambda path: path.name)
def test_the_shipped_configurations_are_valid(path):
    assert load_config(path).name == path.stem
