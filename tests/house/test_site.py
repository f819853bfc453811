"""The documentation site: it builds without a warning, shows every page once, and its reference lacks nothing."""

import html.parser
import posixpath
import re
import subprocess
import sys
from functools import cache
from urllib.parse import unquote, urlsplit

import click
import pytest
import yaml
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

import seriatim
from configs.docs_site.docstrings import bounded, fenced, one_line_each
from configs.docs_site.links import page_of_source, within_site
from configs.docs_site.python_pages import public_modules
from pipelines.config import PipelineConfig
from seriatim_config import Section
from serving.config import ServiceConfig
from tests.chromium import chromium, complaints
from tests.house.modules import ROOT

# MkDocs counts warnings and stops: `strict` is set in the file. The second line tells what the pages were made with.
BUILD = """
import sys
from mkdocs.commands.build import build
from mkdocs.config import load_config
build(load_config(sys.argv[1], site_dir=sys.argv[2]))
print("LOADED", *{name.split(".")[0] for name in sys.modules})
"""
HEAVY = {"apache_beam", "grpc", "lightgbm", "numpy", "onnxruntime", "pandas", "pyarrow", "sklearn", "tensorflow", "tfx"}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of the built site, and the packages that the build has loaded."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-c", BUILD, str(ROOT / "configs" / "mkdocs.yml"), str(folder)]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return folder, set(finished.stdout.split("LOADED")[1].split())


@pytest.fixture(scope="module")
def site(built):
    return built[0]


class Page(html.parser.HTMLParser):
    """What a page of the site holds: ids, tags, links with their tags, and the text outside code blocks."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.tags, self.targets, self.text, self.blocks = set(), set(), [], [], 0
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.ids.add(given.get("id"))
        self.tags.add(tag)
        self.targets += [(tag, given[name]) for name in ("href", "src") if name in given]
        self.blocks += tag in ("pre", "script", "style")

    def handle_endtag(self, tag):
        self.blocks -= tag in ("pre", "script", "style")

    def handle_data(self, data):
        if not self.blocks:
            self.text.append(data)


@cache
def page(path):
    return Page(path)


def pages(site):
    return {path.relative_to(site).as_posix(): page(path) for path in sorted(site.rglob("*.html"))}


def test_the_build_reads_the_code_without_loading_what_it_trains_and_serves_with(built):
    loaded = built[1]
    assert "pydantic" in loaded
    assert not HEAVY & loaded


def in_navigation(entry):
    """Every page that a part of the navigation lists."""
    if isinstance(entry, str):
        return [entry]
    return [found for below in (entry.values() if isinstance(entry, dict) else entry) for found in in_navigation(below)]


def test_every_page_of_the_documentation_is_in_the_navigation_once():
    text = (ROOT / "configs" / "mkdocs.yml").read_text(encoding="utf-8")
    listed = in_navigation(yaml.safe_load(text[text.index("\nnav:") :])["nav"])
    written = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert len(listed) == len(set(listed))
    assert written <= set(listed)


def test_every_link_and_every_image_leads_to_a_file_and_a_place_in_the_site(site):
    files = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    places = {name: shown.ids | {""} for name, shown in pages(site).items()}

    def leads_nowhere(name, target):
        parts = urlsplit(target)
        path = posixpath.normpath(posixpath.join(posixpath.dirname(name), unquote(parts.path))) if parts.path else name
        return not parts.scheme and (path not in files or unquote(parts.fragment) not in places.get(path, {""}))

    # The page for addresses that are not there is shown anywhere, so that its links start at the root.
    read = {name: shown for name, shown in pages(site).items() if name != "404.html"}
    assert not [
        (name, target) for name, shown in read.items() for _, target in shown.targets if leads_nowhere(name, target)
    ]


def test_nothing_is_loaded_from_elsewhere(site):
    loaded = {
        (name, target)
        for name, shown in pages(site).items()
        for tag, target in shown.targets
        if tag != "a" and urlsplit(target).scheme not in ("", "data")
    }
    assert not loaded
    assert "@import" not in (site / "site.css").read_text(encoding="utf-8")


def test_no_table_is_left_as_text(site):
    assert not [name for name, shown in pages(site).items() if re.search(r"\|\s*:?---", "".join(shown.text))]


def test_the_search_works_where_the_pages_are_opened_from_the_disk(site, tmp_path):
    with chromium(tmp_path) as browser:
        browser.get((site / "serving.html").as_uri())
        browser.find_element(By.NAME, "query").send_keys("propensity")
        found = WebDriverWait(browser, 60).until(lambda it: it.find_elements(By.CLASS_NAME, "md-search-result__item"))
        assert "propensity" in found[0].get_attribute("textContent").lower()
        assert not complaints(browser)


def commands(command, context):
    yield command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            yield from commands(below, click.Context(below, info_name=name, parent=context))


def test_every_command_and_every_option_is_in_the_reference(site):
    shown = page(site / "reference" / "commands.html")
    text = "".join(shown.text)
    found = list(commands(seriatim.cli, click.Context(seriatim.cli, info_name="seriatim")))
    assert len(found) > len(seriatim.SUBCOMMANDS)
    for command, context in found:
        assert context.command_path.replace(" ", "-") in shown.ids
        section = text.split(f"\n{context.command_path}¶", 1)[1].split("¶", 1)[0]
        for option in (each for each in command.params if isinstance(each, click.Option)):
            assert option.opts[0] in section
            assert option.help.split("  [")[0].replace("`", "") in section.replace("\n", " ")


def test_the_reference_of_an_option_tells_default_limits_and_choices(site):
    text = "".join(page(site / "reference" / "commands.html").text)
    assert "\n--requests INTEGER\n3000\nRequests in the log. At least 10.\n" in text
    assert "\n--format CHOICE\nparquet\nOf the log and the catalogue. One of parquet, csv, jsonl.\n" in text
    assert "\n--finish-epochs INTEGER\nas of the search\nOf that training. At least 1.\n" in text
    assert "\n--config PATH\nrequired\n" in text


def keys(model, prefix=""):
    for name, field in model.model_fields.items():
        kinds = [field.annotation, *getattr(field.annotation, "__args__", ())]
        inner = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section)), None)
        yield from [prefix + name] if inner is None else keys(inner, f"{prefix}{name}.")


@pytest.mark.parametrize(("name", "model"), [("pipeline", PipelineConfig), ("service", ServiceConfig)])
def test_every_setting_is_in_the_reference(site, name, model):
    text = "".join(page(site / "reference" / f"{name}_settings.html").text)
    assert not [key for key in keys(model) if not re.search(rf"^{re.escape(key)}$", text, flags=re.MULTILINE)]


def test_the_settings_of_one_entry_of_a_list_are_in_the_reference(site):
    text = "".join(page(site / "reference" / "pipeline_settings.html").text)
    assert "\nevaluation.slices[].buckets\ninteger or null\nnull\n≥ 2, ≤ 100\n" in text


@pytest.mark.parametrize("path", sorted((ROOT / "serving" / "proto").rglob("*.proto")), ids=lambda path: path.name)
def test_everything_in_the_protocol_is_in_the_reference(site, path):
    shown = page(site / "reference" / "protocol.html")
    text, source = "".join(shown.text), path.read_text(encoding="utf-8")
    named = re.findall(r"^(?:service|message|enum) (\w+)", source, flags=re.MULTILINE)
    assert {f"seriatim.v1.{name}" for name in named} <= shown.ids
    methods = re.findall(r"^  rpc (\w+)", source, flags=re.MULTILINE)
    assert all(f".{method}¶" in text for method in methods)
    fields = re.findall(r"^ +(?:[\w.]+(?:<.*>)? )*(\w+) = (\d+);", source, flags=re.MULTILINE)
    assert len(fields) > 3
    assert all(f"\n{name}\n{number}\n" in text for name, number in fields)


@pytest.mark.parametrize("module", public_modules(ROOT), ids=lambda module: module.name)
def test_every_public_name_is_in_the_reference(site, module):
    shown = page((site / module.page).with_suffix(".html"))
    lost = [name for name, origin in module.origins.items() if not {f"{module.name}.{name}", origin} & shown.ids]
    assert not lost
    assert "blockquote" not in shown.tags


LINKS = (
    "[a](serving.md#x) [b](../benchmarks/sky.py) [c](../README.md) ![d](images/sky.jpg) [e](../tests) [f](https://g.h)"
)


def test_links_out_of_the_documentation_lead_to_pages_or_become_text(tmp_path):
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "tests").mkdir()
    for name in ("benchmarks/sky.py", "README.md"):
        (tmp_path / name).touch()
    assert page_of_source("benchmarks/sky.py") == "source/benchmarks/sky.py.md"
    assert within_site(tmp_path, "sky.md", LINKS) == (
        "[a](serving.md#x) [b](source/benchmarks/sky.py.md) [c](project/readme.md) ![d](images/sky.jpg) e [f](https://g.h)"
    )
    code = "```python\ndraw[0](rows)\n```\n`[b](rows)`"
    assert within_site(tmp_path, "project/readme.md", code) == code
    assert within_site(tmp_path, "users/a.md", "[b](../../benchmarks/sky.py)") == "[b](../source/benchmarks/sky.py.md)"
    assert within_site(tmp_path, "project/readme.md", "[b](docs/sky.md)") == "[b](../sky.md)"


def test_examples_in_docstrings_are_fenced_bounds_are_no_quotations_and_shared_arguments_parted():
    assert fenced("a\n\n>>> f(1)\n2\n\nb") == "a\n\n```pycon\n>>> f(1)\n2\n```\n\nb"
    assert bounded("Args:\n    a, b: >= 1.\n    c: a > b") == "Args:\n    a, b: \\>= 1.\n    c: a > b"
    given = "Text, more: x\n\nArgs:\n    a, b: as\n        there.\n    c: d, e: f\n\nReturns:\n    a, b: both"
    parted = "    a: as\n        there.\n    b: as\n        there.\n    c: d, e: f\n"
    assert one_line_each(given) == f"Text, more: x\n\nArgs:\n{parted}\nReturns:\n    a, b: both"
