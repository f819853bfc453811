"""Every command that the documents show is run, or stands in one list of what cannot be."""

import contextlib
import re

import pytest

from tests.house.modules import ROOT
from tests.pipelines.shown_commands import filled
from tests.pipelines.shown_commands.collected import Shown, commands, pages
from tests.pipelines.shown_commands.executed import Executor, recipe
from tests.pipelines.shown_commands.not_run import NOT_RUN, why_not_run

ALL = [shown for page in pages() for shown in commands(page)]
BENCHMARK = re.compile(r"python -m benchmarks\.(\w+)(.*)")


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in pages() if commands(page)])
def test_the_commands_of_a_page_run(page, executor):
    for shown in commands(page):
        executor.execute(shown)


def test_what_is_not_run_is_still_shown():
    gone = [one.pattern for one in NOT_RUN if not any(why_not_run(shown.text) is one for shown in ALL)]
    assert not gone, f"no page shows a command for {gone}; take them out of NOT_RUN"


@pytest.mark.parametrize("one", [one for one in NOT_RUN if one.covered_by], ids=lambda one: one.pattern)
def test_the_test_that_stands_for_what_is_not_run_exists(one):
    path, _, name = one.covered_by.partition("::")
    assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted({found[1] for shown in ALL if (found := BENCHMARK.match(shown.text))}))
def test_a_benchmark_is_there_and_has_the_options_shown(name):
    sources = [ROOT / "benchmarks" / f"{name}.py", ROOT / "benchmarks" / "harness.py"]
    text = "".join(path.read_text(encoding="utf-8") for path in sources)
    assert '__name__ == "__main__"' in text
    given = " ".join(found[2] for shown in ALL if (found := BENCHMARK.match(shown.text)) and found[1] == name)
    assert [option for option in re.findall(r"--[a-z-]+", given) if f'"{option}"' not in text] == []


def test_commands_are_found_in_fences_and_in_running_text():
    page = """Type `seriatim health --target
HOST:PORT` or `make run`; `seriatim` and ``seriatim run`` are names.

```
seriatim run --config a.yaml \\
    --name b   # not the whole
.venv/bin/seriatim health
```

```text
 ─► a drawing
```

- In a list:

  ```console
  $ seriatim report show
  what it prints
  ```

```python
seriatim = 1
```

```sh
# a comment
frobnicate --all
```
"""
    assert commands("x.md", page) == [
        Shown("x.md", "seriatim run --config a.yaml --name b   # not the whole", True),
        Shown("x.md", "seriatim health", True),
        Shown("x.md", "seriatim report show", True),
        Shown("x.md", "frobnicate --all", True),
        Shown("x.md", "seriatim health --target HOST:PORT", False),
        Shown("x.md", "make run", False),
    ]


def test_brackets_and_choices_are_tried_without_and_with():
    assert filled.variants("seriatim simulate [--seed S] [--format csv|jsonl]... --out FOLDER  # so") == [
        ["seriatim", "simulate", "--out", "data/made"],
        ["seriatim", "simulate", "--seed", "1", "--format", "csv", "--out", "data/made"],
        ["seriatim", "simulate", "--seed", "1", "--format", "jsonl", "--out", "data/made"],
    ]


@pytest.mark.parametrize("word", ["WEIGHT", "bundles/WEIGHT", "WEIGHT=VALUE", "<weight>", "runs/<weight>/report"])
def test_an_unknown_placeholder_is_named_with_what_to_add(word):
    with pytest.raises(
        filled.UnknownPlaceholderError, match=r"add to FILLINGS in .*filled\.py a line such as Filling\("
    ):
        filled.variants(f"seriatim run --config {word}")


def test_a_program_that_nothing_runs_is_named_with_what_to_do(tmp_path):
    with contextlib.ExitStack() as closing:
        executor = Executor(tmp_path, closing)
        with pytest.raises(
            AssertionError, match=r"x\.md shows 'frobnicate --all': nothing here runs frobnicate; .*NOT_RUN"
        ):
            executor.execute(Shown("x.md", "frobnicate --all", True))


def test_a_command_that_fails_is_named_with_its_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with (
        contextlib.ExitStack() as closing,
        pytest.raises(AssertionError, match=r"x\.md shows .* no finished run under runs"),
    ):
        Executor(tmp_path, closing).execute(Shown("x.md", "seriatim report show", True))


def test_a_make_target_stands_for_the_commands_of_its_recipe():
    first, second, third = recipe("run")
    assert first[0] == "run"
    assert second[:2] == ["rank", "--serve"]
    assert third == ["report", "show", "marketplace"]
