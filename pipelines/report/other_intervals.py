"""Intervals anywhere in a metrics file, found in its tables, so that a part that is added later is compared too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pipelines.report.metrics_file import Interval, Metrics
from pipelines.report.metrics_tables import MetricsTable, metrics_tables
from pipelines.report.wording import metric_title

ENDS = ("value", "low", "high", "count")
# Longer texts are sentences on a row, not the name of what it is about.
LONGEST_NAME = 40


def intervals_by_table(metrics: Metrics) -> dict[str, dict[str, Interval]]:
    """Every interval of the file by table and by what it is about, those in the metric of the verdict first.

    Tables whose rows have no name of their own, such as the bins of a curve, are left out: a row of one run is not the
    one at its place in another.
    """
    first = metric_title(metrics.blessing.metric)
    found = {}
    for name, table in metrics_tables(metrics).items():
        intervals = sorted(table_intervals(table), key=lambda entry: not entry[0].startswith(first))
        if intervals and len({title for title, _ in intervals}) == len(intervals):
            found[name] = dict(intervals)
    return found


def table_intervals(table: MetricsTable) -> Iterator[tuple[str, Interval]]:
    """The intervals of a table with what each is about: its metric, the names in its row, and the columns' own name."""
    stems = [name[: -len("low")] for name in table.columns if name.endswith("low")]
    stems = [stem for stem in stems if all(f"{stem}{end}" in table.columns for end in ENDS)]
    for row in table.rows:
        for stem in stems:
            interval = _interval(row, stem)
            if interval is not None:
                yield _title(row, stem), interval


def _interval(row: Mapping[str, object], stem: str) -> Interval | None:
    values = {end: row.get(f"{stem}{end}") for end in ENDS}
    return None if values["count"] is None else Interval.model_validate(values)


def _title(row: Mapping[str, object], stem: str) -> str:
    metric = row.get("metric")
    names = [
        f"minus {value}" if name == "against" else value
        for name, value in row.items()
        if isinstance(value, str) and name not in ("metric", "title") and len(value) <= LONGEST_NAME
    ]
    own = [stem.strip("_").replace("_", " ")] if stem else []
    head = [metric_title(metric)] if isinstance(metric, str) else []
    return ", ".join([*head, *names, *own]).replace(", minus ", " minus ") or "value"
