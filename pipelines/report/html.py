"""Pages made from the templates: every text from the data is escaped, every page needs no other file."""

from __future__ import annotations

import os
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from pipelines.report import wording
from pipelines.report.comparison import compare
from seriatim_errors import DataError


def page_environment() -> Environment:
    """Templates of the report with the filters that write numbers and names."""
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
        "label_metric": wording.label_metric_title,
        "metric": wording.metric_title,
        "number": wording.number,
        "percent": wording.percent,
        "seconds": wording.seconds,
        "span": wording.span,
        "whole": wording.whole,
        "with_interval": wording.with_interval,
    }
    return environment


def write_page(page: str, path: Path, remedy: str) -> Path:
    """Write a page; a reader sees the old one or the new one, never half of one.

    Args:
        page: HTML.
        path: where to; folders are made when absent.
        remedy: what a person does when it cannot be written.

    Raises:
        DataError: it cannot be written there.
    """
    unfinished = path.with_name(path.name + ".unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(page, encoding="utf-8")
        os.replace(unfinished, path)
    except OSError as error:
        raise DataError(f"{path} cannot be written ({error.strerror}); {remedy}") from None
    return path
