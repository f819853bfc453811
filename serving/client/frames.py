"""Requests from a table, and slates as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from serving.client.errors import RefusedError
from serving.client.messages import RankedSlate, RankRequest
from serving.runtime.query import InvalidRequestError

if TYPE_CHECKING:
    import pandas as pd

SLATE_COLUMNS = ("position", "base_score", "gate_score", "passed_gate", "probability")
ANSWER_COLUMNS = ("propensity", "decoding", "bundle_version")


def requests_of(
    frame: pd.DataFrame,
    slate_size: int,
    features: Sequence[str],
    context: Sequence[str],
    request_id: str,
    item_id: str,
) -> list[RankRequest]:
    """A request a group of rows; see `RankingClient.rank_frame`.

    Raises:
        InvalidRequestError: a column is missing, or a context column varies within a request.
    """
    for column in (request_id, item_id, *features, *context):
        if column not in frame.columns:
            raise InvalidRequestError(
                column, f"no such column; the table has {', '.join(map(str, frame.columns))}: name one of them"
            )
    requests = []
    for name, rows in frame.groupby(request_id, sort=False):
        for column in context:
            if rows[column].nunique(dropna=False) > 1:
                raise InvalidRequestError(
                    column, f"varies within request {name!r}; a context column is the same in all"
                )
        requests.append(
            RankRequest(
                request_id=str(name),
                item_ids=rows[item_id].astype(str).tolist(),
                features=rows[list(features)].to_numpy(),
                slate_size=min(slate_size, len(rows)),
                context=rows[list(context)].iloc[0].to_numpy() if context else (),
                feature_names=tuple(features),
                context_names=tuple(context),
            )
        )
    return requests


def table_of(answers: Sequence[RankedSlate | RefusedError], request_id: str, item_id: str) -> pd.DataFrame:
    """One row a place.

    Raises:
        InvalidRequestError, ServiceError: the first of those among the answers.
    """
    # Not part of the serving extra: who has a table has it.
    import pandas as pd

    rows = []
    for answer in answers:
        if not isinstance(answer, RankedSlate):
            raise answer
        for position, item in enumerate(answer.items, start=1):
            rows.append(
                (
                    answer.request_id,
                    item.item_id,
                    position,
                    item.base_score,
                    item.gate_score,
                    item.passed_gate,
                    item.probability,
                    answer.propensity,
                    answer.decoding.value,
                    answer.bundle_version,
                )
            )
    return pd.DataFrame(rows, columns=[request_id, item_id, *SLATE_COLUMNS, *ANSWER_COLUMNS])
