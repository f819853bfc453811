"""`python -m benchmarks.render`: write docs/benchmarks.md, and tables and pictures of other pages, from the results."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.cascade_plot import FRONT, cascade_plot
from benchmarks.closed_loop_plot import clicks_plot, wanted_plot
from benchmarks.codec_plot import codec_plot
from benchmarks.harness import RESULTS
from benchmarks.markdown_table import markdown_table
from benchmarks.multi_hashing_plot import multi_hashing_plot
from benchmarks.needs import all_needs
from benchmarks.off_policy_plot import off_policy_plot
from benchmarks.page_tables import DOCS, MUTANTS, PAGE_TABLES
from benchmarks.prediction_plot import prediction_plot
from benchmarks.ranking_plot import ranking_plot
from benchmarks.rate_constraints_plot import rate_constraints_plot
from benchmarks.structure_plot import structure_plot

SCRIPTS = Path(__file__).parent
PAGE = DOCS / "benchmarks.md"
PICTURES = DOCS / "images"
# Result, its picture, and what draws it from the rows.
DRAWN = (
    ("ranking", "ranking.svg", ranking_plot),
    ("rate_constraints", "rate_constraints.svg", rate_constraints_plot),
    ("structured_prediction", "prediction_time.svg", prediction_plot),
    ("cascades", "cascades.svg", cascade_plot),
    ("codec", "codec.svg", codec_plot),
    ("structure_search", "structure_search.svg", structure_plot),
    ("multi_hashing", "multi_hashing.svg", multi_hashing_plot),
    ("off_policy_traffic", "off_policy_traffic.svg", off_policy_plot),
    ("closed_loop", "closed_loop_clicks.svg", clicks_plot),
    ("closed_loop", "closed_loop_wanted.svg", wanted_plot),
)
HEAD = """# Benchmarks

Made by `python -m benchmarks.render` from `benchmarks/results/*.json`; each is written by the script of its name.
Machines are shared and noisy: read ratios within one table rather than times across tables.

`make bench` runs all of them in two hours together, `make bench MINUTES=600` in ten, and rebuilds this page. Each gets
the least that it tells anything from, and what remains lengthens the shortest: `python -m benchmarks.all --list` says
who would get what. One that fails, or whose data are absent, does not stop the others and is named at the end. Results
and logs of such a run lie in `runs/bench/`, with a page like this one. Only what had its full minutes comes here, and
never in place of a result that had more minutes or rows or that was trained on a GPU; `python -m benchmarks.all
--replace` takes all. Each begins anew; one that is run by its own name goes on from what its `--work` folder keeps. The
minutes are meant for two cores, as an aim and not as a promise.

"""
WITHOUT_GPU = """
`cascades`, `multi_hashing` and `structure_search` leave their networks with `--plan` to
`python -m benchmarks.torch_training`, which takes minutes on a GPU.
"""


def main() -> None:
    """Render every published result; end with 1 where one lacks what a page shows."""
    sys.exit(bool(update_pages()))


def update_pages() -> list[str]:
    """Render every published result into docs/benchmarks.md, with the pictures and what other pages say of them.

    A table or picture that a result is absent or too small for stays as it was; their names are told and returned.
    """
    made: list[tuple[Path, Callable[[], str]]] = [(DOCS / table.page, table.placed) for table in PAGE_TABLES]
    made += [(PICTURES / picture, partial(_drawn, name, draw)) for name, picture, draw in DRAWN]
    kept = []
    for path, make in made:
        try:
            path.write_text(make(), encoding="utf-8")
        except (FileNotFoundError, LookupError, ValueError, StopIteration) as error:
            print(f"{path.name} stays as it was: no result has what it shows ({error!r})")
            kept.append(path.name)
    pictures = {name: [picture for drawn, picture, _ in DRAWN if drawn == name] for name, _, _ in DRAWN}
    write_page(RESULTS, PAGE, HEAD + _needed() + WITHOUT_GPU, pictures)
    return kept


def _drawn(name: str, draw: Callable[[list[dict[str, Any]]], str]) -> str:
    return draw(json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))["rows"])


def write_page(
    results: Path, page: Path, head: str = "# Benchmarks\n", pictures: Mapping[str, Sequence[str]] | None = None
) -> None:
    """Write a page with a section for each result of a folder.

    Args:
        results: folder of JSON files.
        page: where it goes.
        head: what stands above the sections.
        pictures: names of the pictures in `images/` beside the page, by result.
    """
    scripts = Path(os.path.relpath(SCRIPTS, page.resolve().parent)).as_posix()
    shown = pictures or {}
    paths = [path for path in sorted(results.glob("*.json")) if path.stem != MUTANTS]
    sections = [_section(path, scripts, shown.get(path.stem, ())) for path in paths]
    page.write_text("\n".join([head, *sections]), encoding="utf-8")


def _needed() -> str:
    rows = [
        {
            "benchmark": f"`{one.name}`",
            "full minutes": f"{one.minutes:g}",
            "least": f"{one.least:g}",
            "reads": ", ".join(one.data) or "nothing",
            "not run with the others": one.by_hand,
        }
        for one in sorted(all_needs(SCRIPTS, "benchmarks"), key=lambda one: one.name)
    ]
    return _table(rows) + "\n"


def _section(path: Path, scripts: str, pictures: Sequence[str]) -> str:
    result = json.loads(path.read_text(encoding="utf-8"))
    machine, settings = result["machine"], result["settings"]
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    lines = [
        f"## {path.stem.removeprefix('bench_').replace('_', ' ')}",
        "",
        f"`python -m benchmarks.{path.stem}` ([source]({scripts}/{path.stem}.py))",
        "",
        # Of the search's front only the picture is of use.
        _table([row for row in result["rows"] if row.get("kind") != FRONT]),
        "",
        *(f"![{picture.removesuffix('.svg').replace('_', ' ')}](images/{picture})\n" for picture in pictures),
        "Figures: " + ", ".join(f"{name} {_shown(value)}" for name, value in result["figures"].items()) + ".",
        "",
        "Settings: " + ", ".join(f"{name} {value}" for name, value in settings.items()) + ".",
        "",
        f"Machine: {machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}, "
        f"Python {machine['python']}; {packages}." + _budget(result),
        "",
    ]
    return "\n".join(lines)


def _budget(result: dict[str, Any]) -> str:
    return f" Budget: {result['budget_minutes']:g} minutes." if "budget_minutes" in result else ""


def _table(rows: list[dict[str, Any]]) -> str:
    heads = list(rows[0])
    return markdown_table(heads, [[_shown(row[head]) for head in heads] for row in rows])


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
