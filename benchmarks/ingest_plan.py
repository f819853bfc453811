"""What a billion impressions a day would cost, from the measured cost of a row: tables for docs/scale.md."""

from __future__ import annotations

from benchmarks.markdown_table import markdown_table

BILLION, GIB = 1e9, 2**30
KINDS = {"parquet": "Parquet", "csv": "CSV"}


def ingest_plan(figures: dict[str, float]) -> str:
    """Two Markdown tables: what was measured, and a billion rows at that cost.

    Args:
        figures: of `benchmarks/results/ingest.json`.
    """
    measured = [
        ("rows a second", "rows_per_second_{}", "{:,.0f}"),
        ("times the rate of per-row Beam", "times_per_row_beam_{}", "{:.1f}"),
        ("the same, by processor time", "times_per_row_beam_processor_time_{}", "{:.1f}"),
        ("the same, by processor time and for equal logs", "times_per_row_beam_same_rows_{}", "{:.1f}"),
        ("processor time a row, microseconds", "microseconds_of_processor_a_row_{}", "{:.1f}"),
        ("peak memory of the smaller log, MiB", "peak_mib_{}_small", "{:.0f}"),
        ("peak memory of ten times the rows, MiB", "peak_mib_{}_large", "{:.0f}"),
    ]
    rows = [_row(title, name, shown, figures) for title, name, shown in measured]
    planned = [["processor hours", *(f"{figures[f'core_hours_a_billion_rows_{kind}']:.1f}" for kind in KINDS)]]
    planned.append(["the log on disk, GiB", *(_gib(figures[f"source_bytes_a_row_{kind}"]) for kind in KINDS)])
    for title, name in (
        ("buckets on disk while it runs, GiB", "spool_bytes_a_row"),
        ("the prepared log, GiB", "prepared_bytes_a_row"),
        ("examples, GiB", "examples_bytes_a_row"),
    ):
        planned.append([title, *[_gib(figures[name])] * len(KINDS)])
    tables = (("measured", rows), ("a billion rows", planned))
    return "\n\n".join(markdown_table([what, *KINDS.values()], lines) for what, lines in tables)


def _row(title: str, name: str, shown: str, figures: dict[str, float]) -> list[str]:
    return [title, *(shown.format(figures[name.format(kind)]) for kind in KINDS)]


def _gib(bytes_a_row: float) -> str:
    return f"{bytes_a_row * BILLION / GIB:,.0f}"
