"""The report: one self-contained HTML page made from a metrics file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader, select_autoescape
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from pipelines.report.metrics_file import Interval, Metrics
from pipelines.report.plots import differences_plot, policies_plot, position_plot, training_plot

FOLDER, FILE = "report", "index.html"
HEADLINE_METRIC = "ndcg_at_10"
STAGE_TITLES = {"base_ranker": "Base ranker", "gate": "Gate", "seq2slate": "seq2slate"}


def write_report(metrics: Metrics, run_folder: Path) -> Path:
    """Write `report/index.html` under `run_folder`; it needs no other file and no network.

    Returns:
        The page's path.
    """
    path = run_folder / FOLDER / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(metrics), encoding="utf-8")
    return path


def render(metrics: Metrics) -> str:
    """The page as HTML; every text from the data is escaped."""
    environment = Environment(
        loader=PackageLoader("pipelines.report", "templates"),
        autoescape=select_autoescape(["html"]),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["interval"] = interval_cell
    environment.filters["plain"] = lambda name: name.replace("_at_", "@").replace("_", " ")
    titles = {policy.policy: policy.title for policy in metrics.policies}
    return environment.get_template("page.html").render(
        metrics=metrics,
        titles=titles,
        groups=[_label_group(metrics, labels, titles) for labels in ("clicks", "grades")],
        training=[
            {"title": STAGE_TITLES.get(name, name), "plot": _embedded(training_plot(rows))}
            for name, rows in metrics.training.items()
            if rows
        ],
        positions=_embedded(position_plot(metrics)) if metrics.position_clicks else None,
        plotly=Markup(get_plotlyjs()),
    )


def interval_cell(interval: Interval, digits: int = 4) -> str:
    """`0.5123 [0.4980, 0.5270]`, or `not defined`."""
    if interval.value is None or interval.low is None or interval.high is None:
        return "not defined"
    return f"{interval.value:.{digits}f} [{interval.low:.{digits}f}, {interval.high:.{digits}f}]"


def _label_group(metrics: Metrics, labels: str, titles: dict[str, str]) -> dict[str, Any]:
    """Everything the page shows about one kind of label; `policies` is empty where there is none."""
    policies = [policy for policy in metrics.policies if policy.labels == labels]
    differences = [row for row in metrics.differences if row.labels == labels]
    found = list(policies[0].metrics) if policies else []
    headline = metrics.blessing.metric if metrics.blessing.metric in found else HEADLINE_METRIC
    # What decides comes first, where no one has to scroll for it.
    names = sorted(found, key=lambda name: name != headline)
    return {
        "labels": labels,
        "policies": policies,
        "differences": differences,
        "names": names,
        "headline": headline,
        "plot": _embedded(policies_plot(policies, headline)) if policies else None,
        "differences_plot": _embedded(differences_plot(differences, titles, headline)) if differences else None,
    }


def _embedded(figure: go.Figure) -> Markup:
    """The figure as a div; the page carries plotly's script once."""
    html = figure.to_html(full_html=False, include_plotlyjs=False, config={"displayModeBar": False, "responsive": True})
    return Markup(html)
