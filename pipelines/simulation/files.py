"""Write a simulated marketplace as files."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray
from PIL import Image

from pipelines.simulation.catalogue import DIGIT_APPEAL, TAG_TREE, TAGS, Catalogue
from pipelines.simulation.marketplace import SimulationSettings, simulate_marketplace
from pipelines.simulation.planted_edges import PARAMETERS_FILE
from seriatim_errors import DataError

SimulatedFormat = Literal["parquet", "csv", "jsonl"]


@dataclass(frozen=True)
class SimulatedFiles:
    """Where the parts lie, and the log's counts."""

    clicks: Path
    items: Path
    truth: Path
    item_truth: Path
    parameters: Path
    rows: int
    clicked: int


def write_marketplace(
    settings: SimulationSettings, folder: Path, log_format: SimulatedFormat = "parquet"
) -> SimulatedFiles:
    """Simulate and write the log, the catalogue, the truth behind both and the parameters; see docs/marketplace.md.

    Raises:
        DataError: the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder} cannot hold a simulated log: {error.strerror}; name another folder") from None
    market = simulate_marketplace(settings)
    files = SimulatedFiles(
        clicks=folder / f"clicks.{log_format}",
        items=folder / "items.parquet",
        truth=folder / "truth.parquet",
        item_truth=folder / "item_truth.parquet",
        parameters=folder / PARAMETERS_FILE,
        rows=len(market.log),
        clicked=int(market.log["clicked"].to_numpy().sum()),
    )
    pa.parquet.write_table(catalogue_table(market.catalogue), files.items)
    pa.parquet.write_table(market.truth, files.truth)
    pa.parquet.write_table(catalogue_truth(market.catalogue), files.item_truth)
    parameters = {
        "settings": settings.as_dict(),
        "tags": TAGS,
        "tag_tree": TAG_TREE,
        "tag_fields": market.catalogue.tag_fields.tolist(),
        "digit_appeal": DIGIT_APPEAL.tolist(),
    }
    files.parameters.write_text(json.dumps(parameters, indent=1), encoding="utf-8")
    # The log comes last and under its name only when complete: its presence means that all is there.
    partial = files.clicks.with_name(f".{files.clicks.name}.partial")
    _write_log(market.log, partial, log_format)
    partial.rename(files.clicks)
    return files


def simulated_format(log: Path) -> SimulatedFormat:
    """The format in which a simulated log is written to `log`.

    Raises:
        DataError: a simulated log has another name.
    """
    names: dict[str, SimulatedFormat] = {f"clicks.{kind}": kind for kind in get_args(SimulatedFormat)}
    if log.name not in names:
        raise DataError(
            f"data.path {log} does not exist, and data.simulate makes a log named {', '.join(names)}; "
            "give a log, or data.path one of these names"
        )
    return names[log.name]


def catalogue_table(catalogue: Catalogue) -> pa.Table:
    """The item catalogue: item_id, thumbnail (PNG bytes), its class and `tag_*` (null where unknown)."""
    columns: dict[str, pa.Array] = {
        "item_id": _item_ids(catalogue),
        "thumbnail": pa.array([_png(image) for image in catalogue.thumbnails], pa.binary()),
        "thumbnail_class": pa.array(
            [f"digit {digit}" for digit in catalogue.digit], pa.string(), mask=~catalogue.digit_known
        ),
    }
    for index, tag in enumerate(TAGS):
        columns[f"tag_{tag}"] = pa.array(catalogue.tags[:, index], mask=~catalogue.tags_known[:, index])
    return pa.table(columns)


def catalogue_truth(catalogue: Catalogue) -> pa.Table:
    """What the catalogue does not say: item_id, the thumbnail's class `digit`, and all `tag_*` as they truly are."""
    tags = {f"tag_{tag}": pa.array(catalogue.tags[:, index]) for index, tag in enumerate(TAGS)}
    return pa.table({"item_id": _item_ids(catalogue), "digit": pa.array(catalogue.digit, pa.int8()), **tags})


def _item_ids(catalogue: Catalogue) -> pa.Array:
    return pa.array([f"i{index:04d}" for index in range(len(catalogue))])


def _png(image: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def _write_log(log: pa.Table, path: Path, log_format: str) -> None:
    if log_format == "parquet":
        pa.parquet.write_table(log, path)
    elif log_format == "csv":
        pa.csv.write_csv(log, path)
    else:
        frame = log.to_pandas()
        frame["timestamp"] = frame["timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%S.%f")
        frame.to_json(path, orient="records", lines=True, double_precision=15)
