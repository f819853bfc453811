"""The click-log contract: one row an impressed item, every other column a feature, no bad row lost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.checked_logs.piecewise_validation import PiecewiseValidation
from pipelines.checked_logs.row_checks import (
    CONTEXT_PREFIX,
    ITEM_PREFIX,
    LABEL_COLUMNS,
    QUARANTINE_PREFIX,
    REASON_COLUMN,
    REQUIRED_COLUMNS,
    RESERVED_COLUMNS,
    ROW_COLUMN,
    TAG_PREFIX,
    FeatureColumns,
    decoded,
    feature_columns,
    require_columns,
)
from pipelines.log_columns import WrongTypes
from seriatim_errors import DataError

NO_ROWS = "the click log has no rows; give a log with at least one impression"
__all__ = [
    "CONTEXT_PREFIX",
    "ITEM_PREFIX",
    "LABEL_COLUMNS",
    "NO_ROWS",
    "QUARANTINE_PREFIX",
    "REASON_COLUMN",
    "REQUIRED_COLUMNS",
    "RESERVED_COLUMNS",
    "ROW_COLUMN",
    "TAG_PREFIX",
    "FeatureColumns",
    "ValidatedLog",
    "feature_columns",
    "validate",
]


@dataclass(frozen=True)
class ValidatedLog:
    """A click log after validation.

    Attributes:
        clean: the good rows in input order: request_id, item_id, user_id string; timestamp timestamp[us];
            position int32; clicked int8; grade, weight, features float32; propensity float64.
        quarantine: the bad rows as they came, with `quarantine_row` (1-based number in the input) and
            `quarantine_reason` (the first thing found against the row).
        columns: the features.
        reasons: number of quarantined rows by reason.
        defaulted: number of null values in good rows, by feature, that were replaced by the default 0.
    """

    clean: pa.Table
    quarantine: pa.Table
    columns: FeatureColumns
    reasons: dict[str, int]
    defaulted: dict[str, int]


def validate(table: pa.Table) -> ValidatedLog:
    """Check every row of a click log against the contract.

    Args:
        table: the log as read, one row an impressed item.

    Raises:
        DataError: the log is empty, a column is missing or stands twice, holds another type than the contract
            says, or there is no candidate feature; the message names the column.
    """
    if len(table) == 0:
        raise DataError(NO_ROWS)
    table = decoded(table)
    require_columns(table.column_names)
    wrong = WrongTypes()
    validation = PiecewiseValidation(wrong)
    validation.add(table.append_column(ROW_COLUMN, pa.array(np.arange(1, len(table) + 1))))
    wrong.refuse()
    clean, _, defaulted = validation.finish()
    bad = validation.take_bad()
    if not bad:
        numbered = [pa.field(ROW_COLUMN, pa.int64()), pa.field(REASON_COLUMN, pa.string())]
        bad = [pa.schema([*table.schema, *numbered]).empty_table()]
    quarantine = pa.concat_tables(bad)
    return ValidatedLog(
        clean=clean,
        quarantine=quarantine.take(pc.sort_indices(quarantine[ROW_COLUMN])),
        columns=feature_columns(table.column_names),
        reasons=dict(sorted(validation.reasons.items())),
        defaulted=defaulted,
    )
