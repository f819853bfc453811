"""Shipped configurations, by their names."""

from pathlib import Path

import pytest

from pipelines import shipped_configs
from pipelines.shipped_configs import config_file
from seriatim_errors import ConfigError

CONFIGS = Path(__file__).parents[2] / "configs"


def test_every_configuration_of_the_checkout_is_shipped_under_its_name():
    assert shipped_configs.shipped_configs() == {path.stem: path for path in sorted(CONFIGS.glob("*.yaml"))}


def test_a_name_means_the_shipped_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert config_file("marketplace") == CONFIGS / "marketplace.yaml"


@pytest.mark.parametrize("given", ["marketplace.yaml", "mine/marketplace", "/marketplace"])
def test_a_path_stays_a_path_whether_or_not_it_is_there(given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert config_file(given) == Path(given)


def test_a_file_that_is_called_like_a_shipped_one_is_meant_itself(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("marketplace").write_text("name: mine\n", encoding="utf-8")
    assert config_file("marketplace") == Path("marketplace")


def test_an_unknown_name_lists_the_shipped_ones(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"config marketplaces: no such file.*\(closed_loop, marketplace, mq2008"):
        config_file("marketplaces")


def test_a_folder_inside_the_package_comes_first_as_in_a_wheel(tmp_path, monkeypatch):
    for name in ("inside", "beside"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.yaml").touch()
    monkeypatch.setattr(shipped_configs, "FOLDERS", (tmp_path / "inside", tmp_path / "beside"))
    assert list(shipped_configs.shipped_configs()) == ["inside"]
    monkeypatch.setattr(shipped_configs, "FOLDERS", (tmp_path / "none", tmp_path / "beside"))
    assert list(shipped_configs.shipped_configs()) == ["beside"]
