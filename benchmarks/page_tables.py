"""Tables of the pages in docs/, made of result files and set between two marks; no figure is typed by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness import RESULTS
from benchmarks.ingest_plan import ingest_plan
from benchmarks.markdown_table import markdown_table

DOCS = Path(__file__).parents[1] / "docs"
# Of tests, not of speed or quality: its table stands on the page of tests.
MUTANTS = "mutants"
Row = Mapping[str, Any]


@dataclass(frozen=True)
class PageTable:
    """Where a table stands, and what makes it.

    Attributes:
        page: in docs/.
        result: name of the result file, and of the script that wrote it.
        made: Markdown from the whole result.
    """

    page: str
    result: str
    made: Callable[[Row], str]

    def placed(self) -> str:
        """The page's text with the table between its marks.

        Raises:
            ValueError: the page has not two of them.
            KeyError: the result lacks what the table shows.
        """
        result = json.loads((RESULTS / f"{self.result}.json").read_text(encoding="utf-8"))
        mark = f"<!-- measured by benchmarks/{self.result}.py -->\n"
        parts = (DOCS / self.page).read_text(encoding="utf-8").split(mark)
        if len(parts) != 3:
            raise ValueError(f"docs/{self.page}: {mark.strip()} stands there {len(parts) - 1} times; set it twice")
        return mark.join([parts[0], f"\n{self.made(result)}\n", parts[2]])


def seq2slate(result: Row) -> str:
    """Rankers on the simulated marketplace, by NDCG@10."""
    shown = {
        "seq2slate + nearness": "seq2slate with nearness",
        "one-shot transformer (PRM kind)": "one-shot transformer (PRM kind)",
        "MMR, told the user's own rule": "maximal marginal relevance, told the user's own rule",
        "seq2slate": "seq2slate without nearness",
        "DLCM": "DLCM",
        "base order: LambdaMART on grades": "base order (LambdaMART)",
        "seq2slate, shuffled input": "seq2slate, lists shuffled before it reads them",
    }
    rows = {row["ranker"]: row for row in result["rows"] if row["set"] == "marketplace"}
    heads = [
        "ranker, on simulated users who want variety",
        "NDCG@10 on fixed clicks",
        "the same user's clicks in the first five of the new order",
    ]
    return markdown_table(
        heads,
        [
            [title, f"{rows[name]['ndcg_at_10']:.3f}", f"{rows[name]['new clicks in 5']:.2f}"]
            for name, title in shown.items()
        ],
    )


def rate_constraints(result: Row) -> str:
    """Areas under precision for recalls of 95 to 100 %, a row a data set."""
    methods = {
        "cross-entropy": "cross-entropy",
        "Lagrangian (TFCO kind)": "Lagrangian",
        "implicit (ICO)": "implicit",
        "quantile, kernel": "quantile (kernel)",
    }
    positives = {row["set"]: f"{row['positives %']:.1f} %" for row in result["rows"]}
    areas = {(row["set"], row["method"]): row["PR-AUC [0.95, 1]"] for row in result["rows"]}
    return markdown_table(
        ["area under precision for recalls of 95 to 100 %", "positives", *methods.values()],
        [[name, share, *(areas[name, method] for method in methods)] for name, share in positives.items()],
    )


def capacity(result: Row) -> str:
    """Load of the service, and what it then does."""
    shown = {
        "RankSlate, 1 callers": "one process, one caller",
        "RankSlate, 8 callers": "one process, 8 callers",
        "RankSlate, 32 callers": "one process, 32 callers",
        "RankSlate, random arrivals at 70 %": "one process, random arrivals at 70 % of what it can do",
        "2 processes on 2 cores, 32 callers": "two processes on two cores, 32 callers",
        "3 processes on 3 cores, 48 callers": "three processes on three cores, 48 callers",
    }
    rows = {row["what"]: row for row in result["rows"]}
    return markdown_table(
        ["load", "slates a second", "median ms", "p99 ms"],
        [
            [
                title,
                f"{rows[what]['a second']:,.0f}",
                *(f"{rows[what][time]:.1f}" if rows[what][time] != "" else "" for time in ("median ms", "p99 ms")),
            ]
            for what, title in shown.items()
        ],
    )


def structure_search(result: Row) -> str:
    """Networks within shares of the operations: accuracy, its lead over the uniform multiplier, time and weights."""
    heads = ["operations", "widths", "test accuracy", "above uniform, interval", "time left", "weights"]
    return markdown_table(
        heads,
        [
            [
                row["budget"],
                row["method"],
                f"{100 * row['test accuracy']:.1f} %",
                _lead(row, "minus uniform"),
                f"{100 * row['time left']:.0f} %" if row["time left"] != "" else "",
                f"{row['parameters']:,}",
            ]
            for row in result["rows"]
        ],
    )


def multi_hashing(result: Row) -> str:
    """Networks of as many variables: accuracy, and the lead of structured multi-hashing over each."""
    heads = ["size", "network", "variables", "checkpoint", "test accuracy", "structured minus this, interval"]
    return markdown_table(
        heads,
        [
            [
                row["size"],
                row["method"],
                f"{row['variables']:,}",
                f"{row['checkpoint kB']:,.0f} kB",
                f"{100 * row['test accuracy']:.1f} %",
                _lead(row, "structured minus this"),
            ]
            for row in result["rows"]
        ],
    )


def _lead(row: Row, name: str) -> str:
    """A difference of shares with its interval, in percentage points; nothing where there is none."""
    if row[name] == "":
        return ""
    return f"{100 * row[name]:+.1f} [{100 * row['low']:+.1f}, {100 * row['high']:+.1f}]"


def distillation(result: Row) -> str:
    """Networks put together of parts, and trained end to end: accuracy and seconds on one machine."""
    heads = ["network", "test accuracy", "with statistics of real images", "seconds", "million multiply-adds"]
    return markdown_table(
        heads,
        [
            [
                row["network"],
                f"{100 * row['test accuracy']:.1f} %",
                f"{100 * row['with real statistics']:.1f} %" if row["with real statistics"] != "" else "",
                f"{row['seconds']:.0f}" if row["seconds"] else "",
                f"{row['million multiply-adds']:.0f}",
            ]
            for row in result["rows"]
        ],
    )


def labeller(result: Row) -> str:
    """Rows with all labels right, a column a method, a row a data set."""
    methods = ("independent labels", "Chow-Liu tree", "pruned full graph", "CRANK", "full graph", "10 chains")
    cells = {
        (row["set"], row["method"]): f"{row['subset accuracy']} ({row['ms per 1,000 rows']:,.0f} ms)"
        for row in result["rows"]
    }
    sets = dict.fromkeys(row["set"] for row in result["rows"])
    return markdown_table(
        ["all labels of a row right, and time for 1,000 rows", *methods],
        [[name, *(cells.get((name, method), "") for method in methods)] for name in sets],
    )


def sky(result: Row) -> str:
    """How near enlarged masks come to the truth."""
    heads = ["photos", "mask enlarged by", "intersection over union", "error within 4 pixels of the edge"]
    return markdown_table(
        heads,
        [
            [row["photos"], row["enlarged by"], f"{row['iou']:.3f}", f"{row['band_error']:.3f}"]
            for row in result["rows"]
        ],
    )


def mutants(result: Row) -> str:
    """Changes of the mathematics that the tests see, a row a module."""
    heads = list(result["rows"][0])
    return markdown_table(heads, [[str(row[head]) for head in heads] for row in result["rows"]])


PAGE_TABLES = (
    PageTable("scale.md", "ingest", lambda result: ingest_plan(result["figures"])),
    PageTable("seq2slate.md", "ranking", seq2slate),
    PageTable("rate_constraints.md", "rate_constraints", rate_constraints),
    PageTable("operations.md", "serving", capacity),
    PageTable("structure_search.md", "structure_search", structure_search),
    PageTable("multi_hashing.md", "multi_hashing", multi_hashing),
    PageTable("distillation.md", "distillation", distillation),
    PageTable("labeller.md", "structured", labeller),
    PageTable("sky.md", "sky", sky),
    PageTable("testing.md", MUTANTS, mutants),
)
