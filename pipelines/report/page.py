"""The report: one self-contained HTML page made from a metrics file."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from jinja2 import Environment

from pipelines.report import wording
from pipelines.report.calibration_section import calibration_panels
from pipelines.report.cautions import cautions
from pipelines.report.comparison import deciding_row
from pipelines.report.explanation_section import change_of_place, effect, explanation_section
from pipelines.report.exposure_section import READINGS as EXPOSURE_READINGS
from pipelines.report.exposure_section import exposure_section
from pipelines.report.html import page_environment, write_page
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
    return write_page(render(metrics), run_folder / FOLDER / FILE, "make the run's folder writable")


def render(metrics: Metrics) -> str:
    """The page as HTML; every text from the data is escaped."""
    positions = position_rows(metrics)
    training = training_plots(metrics)
    rankings = label_sections(metrics)
    parts = {
        "slices": ("Slices", metrics.slices),
        "calibration": ("Calibration", metrics.calibration),
        "exposure": ("Exposure", metrics.exposure),
        "gate": ("Gate", metrics.gate),
        "labels": ("Labels", metrics.labeller),
        "images": ("Images", metrics.images),
        "off_policy": ("Off-policy", metrics.off_policy),
        "slate_values": ("Slates' value", metrics.slate_values),
        "positions": ("Positions", positions),
        "slate": ("Example slate", metrics.slate_example),
        "explanations": ("Why here", metrics.explanations),
        "training": ("Training", training),
        "data": ("Data", True),
        "drift": ("Drift", metrics.drift),
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
            stage_titles=wording.STAGE_TITLES,
            verdict_plot=verdict_plot(metrics),
            label_sections=rankings,
            slice_section=slice_section(metrics),
            slice_readings=SLICE_READINGS,
            slice_tones=SLICE_TONES,
            calibration_panels=calibration_panels(metrics),
            exposure_section=exposure_section(metrics),
            exposure_readings=EXPOSURE_READINGS,
            gate_plot=gate_plot(metrics),
            labeller_section=labeller_section(metrics.labeller),
            image_section=image_section(metrics),
            explanation_section=explanation_section(metrics.explanations),
            explain_effect=effect,
            change_of_place=change_of_place,
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
    environment = page_environment()
    environment.filters["estimator"] = estimator_title
    environment.filters["policy"] = partial(wording.policy_title, metrics=metrics)
    return environment
