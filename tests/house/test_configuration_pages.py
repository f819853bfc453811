"""The pages on configuration say what the code does."""

import typing
from pathlib import Path

import pytest

from pipelines.config import PipelineConfig
from seriatim_config import Section
from serving.config import ServiceConfig

PAGES = {"configuration.md": PipelineConfig, "serving_configuration.md": ServiceConfig}


def described_fields(model, prefix=""):
    """Every key with its field, sections opened."""
    for name, field in model.model_fields.items():
        kinds = [field.annotation, *typing.get_args(field.annotation)]
        section = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section)), None)
        if section is None:
            yield prefix + name, field
        else:
            yield from described_fields(section, f"{prefix}{name}.")


KEYS = [(page, *described) for page, model in PAGES.items() for described in described_fields(model)]


@pytest.mark.parametrize(("page", "key", "field"), KEYS, ids=lambda part: part if isinstance(part, str) else "")
def test_the_page_gives_every_key_with_its_default_meaning_and_choices(page, key, field):
    page = (Path(__file__).parents[2] / "docs" / page).read_text(encoding="utf-8")
    [row] = [line for line in page.splitlines() if line.startswith(f"| `{key}` |")]
    _, _, default, meaning, _ = (cell.strip() for cell in row.replace(r"\|", "¦").split("|"))
    given = field.get_default()
    if field.is_required():
        assert default == "required"
    elif given in (None, ()):
        assert default == ("null" if given is None else "empty")
    elif isinstance(given, bool):
        assert default == ("`true`" if given else "`false`")
    else:
        assert default == f"`{list(given) if isinstance(given, tuple) else given}`"
    assert meaning.replace("¦", "|").startswith(field.description or "")
    if typing.get_origin(field.annotation) is typing.Literal:
        assert all(f"`{choice}`" in meaning for choice in typing.get_args(field.annotation))
