"""The report: one self-contained HTML page made from a metrics file."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from pipelines.report import wording
from pipelines.report.cautions import cautions
from pipelines.report.comparison import compare, deciding_row
from pipelines.report.image_section import image_section
from pipelines.report.label_section import labeller_section
from pipelines.report.labeller_metrics import LOWER_IS_BETTER
from pipelines.report.metrics_file import Metrics
from pipelines.report.sections import (
    THIN_SHARE,
    gate_plot,
    label_sections,
    off_policy_panel,
    position_plot,
    position_rows,
    training_plots,
    verdict_plot,
)
from pipelines.report.slate_value_section import ASSUMPTIONS, estimator_title, slate_value_section
from pipelines.report.slice_section import READINGS as SLICE_READINGS
from pipelines.report.slice_section import TONES as SLICE_TONES
from pipelines.report.slice_section import slice_section
from seriatim_errors import DataError

FOLDER, FILE = "report", "index.html"
READINGS = {
    "above": "▲ better",
    "below": "▼ worse",
    "undecided": "no difference shown",
    "identical": "equal on every request",
    "degenerate": "interval without width",
    "undefined": wording.NOT_DEFINED,
}
LABEL_READINGS = {**READINGS, "identical": "equal on every item"}
OFF_POLICY_READINGS = {
    "above": "▲ better than logged",
    "below": "▼ worse than logged",
    "undecided": "no difference from logged shown",
    "identical": "as logged",
    "degenerate": "every resample gave the same value: nothing is shown",
    "undefined": wording.NOT_DEFINED,
}
GATE_READINGS = {
    "above": "More pass than promised",
    "below": "The promise is not kept",
    "undecided": "The promise is kept, within the interval",
    "identical": "The promise is kept exactly",
    "degenerate": "Every resample gave the same value",
    "undefined": "No positive item to judge by",
}


def write_report(metrics: Metrics, run_folder: Path) -> Path:
    """Write `report/index.html` under `run_folder`; it needs no other file and no network.

    Returns:
        The page's path; a reader sees the old page or the new one, never half of one.

    Raises:
        DataError: the page cannot be written there.
    """
    path = run_folder / FOLDER / FILE
    unfinished = path.with_name(FILE + ".unfinished")
    page = render(metrics)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(page, encoding="utf-8")
        os.replace(unfinished, path)
    except OSError as error:
        raise DataError(f"{path} cannot be written ({error.strerror}); make the run's folder writable") from None
    return path


def render(metrics: Metrics) -> str:
    """The page as HTML; every text from the data is escaped."""
    positions = position_rows(metrics)
    training = training_plots(metrics)
    rankings = label_sections(metrics)
    parts = {
        "slices": ("Slices", metrics.slices),
        "gate": ("Gate", metrics.gate),
        "labels": ("Labels", metrics.labeller),
        "images": ("Images", metrics.images),
        "off_policy": ("Off-policy", metrics.off_policy),
        "slate_values": ("Slates' value", metrics.slate_values),
        "positions": ("Positions", positions),
        "slate": ("Example slate", metrics.slate_example),
        "training": ("Training", training),
        "data": ("Data", True),
        "components": ("Components", metrics.components),
    }
    shown = {name: title for name, (title, content) in parts.items() if content}
    contents = [("verdict", "Verdict")]
    contents += [(f"ranking-{section.labels}", f"Ranking on {section.labels}") for section in rankings]
    return (
        _environment(metrics)
        .get_template("page.html")
        .render(
            metrics=metrics,
            contents=[*contents, *shown.items()],
            parts=list(shown),
            cautions=cautions(metrics),
            decided=deciding_row(metrics),
            bound=-metrics.blessing.margin,
            confidence=f"{100 * metrics.blessing.confidence:g} %",
            readings=READINGS,
            off_policy_readings=OFF_POLICY_READINGS,
            gate_readings=GATE_READINGS,
            thin_share=THIN_SHARE,
            splits=sorted(
                metrics.data.requests, key=lambda split: (split not in wording.SPLIT_TITLES, split == "eval")
            ),
            split_titles=wording.SPLIT_TITLES,
            verdict_plot=verdict_plot(metrics),
            label_sections=rankings,
            slice_section=slice_section(metrics),
            slice_readings=SLICE_READINGS,
            slice_tones=SLICE_TONES,
            gate_plot=gate_plot(metrics),
            labeller_section=labeller_section(metrics.labeller),
            image_section=image_section(metrics),
            label_readings=LABEL_READINGS,
            lower_is_better=LOWER_IS_BETTER,
            off_policy_panel=off_policy_panel(metrics.off_policy),
            slate_value_section=slate_value_section(metrics),
            assumptions=ASSUMPTIONS,
            position_rows=positions,
            position_plot=position_plot(positions),
            training_plots=training,
        )
    )


def _environment(metrics: Metrics) -> Environment:
    environment = Environment(
        loader=PackageLoader("pipelines.report", "templates"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "compare": compare,
        "digits_for": wording.digits_for,
        "estimator": estimator_title,
        "label_metric": wording.label_metric_title,
        "metric": wording.metric_title,
        "number": wording.number,
        "percent": wording.percent,
        "policy": partial(wording.policy_title, metrics=metrics),
        "seconds": wording.seconds,
        "span": wording.span,
        "whole": wording.whole,
        "with_interval": wording.with_interval,
    }
    return environment
