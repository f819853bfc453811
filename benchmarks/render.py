"""`python -m benchmarks.render`: write docs/benchmarks.md from the result files; no figure is typed by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.cascade_plot import FRONT, cascade_plot
from benchmarks.closed_loop_plot import clicks_plot, wanted_plot
from benchmarks.codec_plot import codec_plot
from benchmarks.harness import RESULTS
from benchmarks.ingest_plan import ingest_plan
from benchmarks.off_policy_plot import off_policy_plot
from benchmarks.prediction_plot import prediction_plot
from benchmarks.structure_plot import structure_plot

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
SCALE_PAGE = PAGE.with_name("scale.md")
MEASURED = "<!-- measured by benchmarks/ingest.py -->\n"
PICTURES = Path(__file__).parents[1] / "docs" / "images"
# Result, its picture, and what draws it from the rows.
DRAWN = (
    ("structured_prediction", "prediction_time.svg", prediction_plot),
    ("cascades", "cascades.svg", cascade_plot),
    ("codec", "codec.svg", codec_plot),
    ("structure_search", "structure_search.svg", structure_plot),
    ("off_policy_traffic", "off_policy_traffic.svg", off_policy_plot),
    ("closed_loop", "closed_loop_clicks.svg", clicks_plot),
    ("closed_loop", "closed_loop_wanted.svg", wanted_plot),
)
INTRODUCTION = """# Benchmarks

Made by `python -m benchmarks.render` from `benchmarks/results/*.json`; each is written by the script of its name.
Machines are shared and noisy: read ratios within one table rather than times across tables. `make bench` runs those
that keep a time budget; `ranking` and `multi_hashing` take about two hours on four cores, `cascades` five quarters of
one, `structured` one hour, `rate_constraints` half an hour, `structured_trees` ten minutes, and `seq2slate_training`
wants a Python with PyTorch. On two cores `distillation` takes an hour, `sky` twenty minutes, `structure_search` two
hours and `codec` two and a half. `cascades`, `multi_hashing` and `structure_search` leave their networks with `--plan`
to `python -m benchmarks.torch_training`, which takes minutes on a GPU; `cascades_gpu` and `codec_gpu` want one.
"""


def main() -> None:
    """Render every result file into the page."""
    sections = [_section(path) for path in sorted(RESULTS.glob("*.json"))]
    PAGE.write_text("\n".join([INTRODUCTION, *sections]), encoding="utf-8")
    ingested = json.loads((RESULTS / "ingest.json").read_text(encoding="utf-8"))
    before, _, rest = SCALE_PAGE.read_text(encoding="utf-8").partition(MEASURED)
    _, _, after = rest.partition(MEASURED)
    SCALE_PAGE.write_text(MEASURED.join([before, "\n" + ingest_plan(ingested["figures"]), after]), encoding="utf-8")
    for name, picture, draw in DRAWN:
        path = RESULTS / f"{name}.json"
        if path.exists():
            rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
            (PICTURES / picture).write_text(draw(rows), encoding="utf-8")


def _section(path: Path) -> str:
    result = json.loads(path.read_text(encoding="utf-8"))
    machine, settings = result["machine"], result["settings"]
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    script = f"benchmarks/{path.stem}.py"
    lines = [
        f"## {path.stem.removeprefix('bench_').replace('_', ' ')}",
        "",
        f"`python -m benchmarks.{path.stem}` ([source](../{script}))",
        "",
        # Of the search's front only the picture is of use.
        _table([row for row in result["rows"] if row.get("kind") != FRONT]),
        "",
        "Figures: " + ", ".join(f"{name} {_shown(value)}" for name, value in result["figures"].items()) + ".",
        "",
        "Settings: " + ", ".join(f"{name} {value}" for name, value in settings.items()) + ".",
        "",
        f"Machine: {machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}, "
        f"Python {machine['python']}; {packages}.",
        "",
    ]
    return "\n".join(lines)


def _table(rows: list[dict[str, Any]]) -> str:
    heads = list(rows[0])
    body = ["| " + " | ".join(_shown(row[head]) for head in heads) + " |" for row in rows]
    return "\n".join(
        ["| " + " | ".join(head.replace("|", "\\|") for head in heads) + " |", "|" + "---|" * len(heads), *body]
    )


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
