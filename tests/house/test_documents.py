"""The documents keep up with the code."""

import re
import sys

import pytest

from pipelines.config import PipelineConfig, Section
from tests.house.modules import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def direct_dependencies():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"].values()
    groups = project["dependency-groups"].values()
    requirements = [*project["project"]["dependencies"], *(r for group in [*extras, *groups] for r in group)]
    return sorted({re.split(r"[<>=;\[ ]", requirement)[0] for requirement in requirements})


@pytest.mark.parametrize("name", direct_dependencies())
def test_every_dependency_has_its_reason(name):
    assert f"| {name} |" in (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")


def config_fields(model, prefix=""):
    for name, field in model.model_fields.items():
        kinds = [field.annotation, *getattr(field.annotation, "__args__", ())]
        section = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section)), None)
        if section is None:
            yield prefix + name
        else:
            yield from config_fields(section, f"{prefix}{name}.")


@pytest.mark.parametrize("field", list(config_fields(PipelineConfig)))
def test_every_configuration_key_is_described(field):
    assert f"`{field}`" in (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")


def test_links_between_documents_lead_somewhere():
    for document in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_the_readme_names_both_commands():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make run" in text
    assert "make test" in text
