"""The documents keep up with the code."""

import re
import shlex
import sys

import click
import pytest

import seriatim
from pipelines.config import PipelineConfig, Section
from seriatim_errors import SeriatimError
from tests.house.modules import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


TOP = [ROOT / f"{name}.md" for name in ("README", "CHANGELOG", "CONTRIBUTING", "SECURITY")]
DOCUMENTS = [*TOP, *sorted((ROOT / "docs").glob("**/*.md"))]
EACH_DOCUMENT = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
# Pages of the papers' methods, each with the same questions in the same order.
PAPERS = (
    "codec", "committees", "distillation", "figs", "labeller", "morphnet", "multi_hashing", "rate_constraints",
    "seq2slate", "sky",
)  # fmt: skip
QUESTIONS = (
    "The paper", "When to use it, and when not", "An example", "Measured", "Limits", "Patents and licences",
    "Beside its peers",
)  # fmt: skip
COMMAND = re.compile(r"^seriatim (.*?)(?:  +#.*)?$|`seriatim ([a-z][^`]*)`", flags=re.MULTILINE)
SOURCE = re.compile(r"`((?:pipelines|ranking|serving|structured|vision_components|benchmarks|tests|configs)/[\w./]*)`")


def read(path):
    return path.read_text(encoding="utf-8")


def direct_dependencies():
    project = tomllib.loads(read(ROOT / "pyproject.toml"))
    extras = project["project"]["optional-dependencies"].values()
    groups = project["dependency-groups"].values()
    requirements = [*project["project"]["dependencies"], *(r for group in [*extras, *groups] for r in group)]
    return sorted({re.split(r"[<>=;\[ ]", requirement)[0] for requirement in requirements})


@pytest.mark.parametrize("name", direct_dependencies())
def test_every_dependency_has_its_reason(name):
    assert f"| {name} |" in read(ROOT / "docs" / "dependencies.md")


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
    assert f"`{field}`" in read(ROOT / "docs" / "configuration.md")


def test_no_dependency_is_explained_that_is_not_there():
    table = re.findall(r"^\| ([\w-]+) \| [\w, ]+ \|", read(ROOT / "docs" / "dependencies.md"), flags=re.MULTILINE)
    assert sorted(set(table) - {"package"}) == direct_dependencies()


@EACH_DOCUMENT
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", read(document)):
        assert (document.parent / target).exists(), target


@EACH_DOCUMENT
def test_source_files_that_are_named_exist(document):
    for name in SOURCE.findall(read(document)):
        assert (ROOT / name).exists(), name


@EACH_DOCUMENT
def test_commands_that_are_shown_can_be_given(document):
    for groups in COMMAND.findall(read(document)):
        assert not unknown_words(next(filter(None, groups)))


def unknown_words(line):
    """Subcommands and options of a shown command that do not exist."""
    command, unknown, before = seriatim.cli, [], ""
    for word in shlex.split(line.replace("[", " ").replace("]", " ")):
        options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        found = command.get_command(click.Context(command), word) if isinstance(command, click.Group) else None
        # A group that works without a subcommand takes options and their values, which look like any other word.
        valued = {one for each in command.params if not getattr(each, "is_flag", True) for one in each.opts}
        lost = isinstance(command, click.Group) and not (command.invoke_without_command and before in valued)
        if found:
            command = found
        elif word.split("=")[0] not in options and (word.startswith("-") or lost):
            unknown.append(word)
        before = word
    return unknown


def test_a_shown_command_that_does_not_exist_is_seen():
    assert unknown_words("run --config x.yaml [--name NAME]") == []
    assert unknown_words("run --confg x.yaml") == ["--confg"]
    assert unknown_words("report shw") == ["shw"]
    assert unknown_words("simulate --ot FOLDER") == ["--ot", "FOLDER"]
    assert unknown_words("simulate --out FOLDER") == []
    assert unknown_words("simulate wek --out FOLDER") == ["wek"]
    assert unknown_words("simulate week --out=FOLDER") == []


@EACH_DOCUMENT
def test_make_targets_that_are_named_exist(document):
    targets = set(re.findall(r"^([a-z-]+):", read(ROOT / "Makefile"), flags=re.MULTILINE))
    named = re.findall(r"(?:^|`)make ([a-z-]+)", read(document), flags=re.MULTILINE)
    assert set(named) <= targets


def test_the_readme_names_both_commands():
    assert {"run", "test"} <= set(re.findall(r"^make (\w+)", read(ROOT / "README.md"), flags=re.MULTILINE))


def test_the_index_leads_to_every_page():
    docs = ROOT / "docs"
    pages = {path.relative_to(docs).as_posix() for path in docs.glob("**/*.md")} - {"index.md"}
    assert pages <= set(re.findall(r"\]\(([^)#]+)\)", read(docs / "index.md")))


def test_the_readme_leads_to_the_other_pages_at_the_top():
    assert {path.name for path in TOP[1:]} <= set(re.findall(r"\]\(([^)#]+)\)", read(ROOT / "README.md")))


@pytest.mark.parametrize("page", PAPERS)
def test_pages_of_papers_answer_the_same_questions_in_the_same_order(page):
    headings = re.findall(r"^## (.+)$", read(ROOT / "docs" / f"{page}.md"), flags=re.MULTILINE)
    assert [heading for heading in headings if heading in QUESTIONS] == list(QUESTIONS)


@EACH_DOCUMENT
def test_links_to_headings_find_them(document):
    for target, heading in re.findall(r"\]\(([\w./]*)#([^)]+)\)", read(document)):
        page = (document.parent / target) if target else document
        assert heading in {anchor(title) for title in re.findall(r"^#+ (.+)$", read(page), flags=re.MULTILINE)}, target


def anchor(title):
    """The name that a heading has in links, as GitHub and Python-Markdown make it of plain words."""
    return re.sub(r"[^\w -]", "", title.lower()).strip().replace(" ", "-")


def test_every_exit_status_is_explained():
    rows = re.findall(r"^\| (\d) \| `(\w+)` \|", read(ROOT / "docs" / "architecture.md"), flags=re.MULTILINE)
    assert dict(rows) == {str(kind.exit_code): kind.__name__ for kind in SeriatimError.__subclasses__()}


def test_one_version_everywhere():
    project = tomllib.loads(read(ROOT / "pyproject.toml"))["project"]["version"]
    released = project.split(".dev")[0]
    assert f'version = "{released}"' in read(ROOT / "MODULE.bazel")
    assert f"## {released}" in read(ROOT / "CHANGELOG.md")


@pytest.fixture(scope="module")
def messages():
    """The sources of pipelines, ranking and service, with strings that go over several lines in one piece."""
    sources = [read(path) for package in ("pipelines", "ranking", "serving") for path in (ROOT / package).rglob("*.py")]
    return re.sub(r'"\s*\n\s*f?"', "", "\n".join(sources))


def test_messages_in_the_operations_handbook_are_the_programs(messages):
    page = read(ROOT / "docs" / "operations.md").partition("## When things break")[2]
    symptoms = [row.split(" | ")[0] for row in re.findall(r"^\| (.+) \|$", page, flags=re.MULTILINE)]
    quoted = [text for symptom in symptoms for text in re.findall(r"`([^`]+)`", symptom) if " " in text]
    assert len(quoted) > 10
    for text in quoted:
        for piece in re.split(r"\.\.\.|\b[A-Z]+\b|\d+", text):
            assert piece.strip(" ;:,()") in messages, text


def test_metrics_that_documents_name_exist(messages):
    for document in DOCUMENTS:
        for name in re.findall(r"\bseriatim_[a-z_]+", read(document)):
            base = re.sub(r"_(total|count|bucket|sum)$", "", name)
            assert f'"{base}"' in messages or (ROOT / f"{name}.py").exists(), (document.name, name)
