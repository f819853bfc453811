"""A RankSlate message as a query of the runtime."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from serving.proto.seriatim.v1 import ranking_pb2
from serving.runtime.query import MAX_CANDIDATES, InvalidRequestError, SlateQuery, require_moderate
from serving.runtime.ranker import SlateRanker


def query_of(
    request: ranking_pb2.RankSlateRequest,
    ranker: SlateRanker,
    max_candidates: int = MAX_CANDIDATES,
    looked_up: NDArray[np.float32] | None = None,
) -> SlateQuery:
    """The message as a query in the bundle's feature order.

    Args:
        request: the message.
        ranker: of the bundle.
        max_candidates: that a request may have.
        looked_up: features of the candidates, float32 `[candidates, item features]`, in place of the message's.

    Raises:
        InvalidRequestError: a feature is unknown, missing or given twice, or the matrix has another size.
    """
    if not request.request_id:
        raise InvalidRequestError("request_id", "empty; give every request an id")
    require_moderate(len(request.item_ids), max_candidates)
    features = ranker.features
    context = np.array(request.context.values, np.float32)
    if request.context.names:
        columns = _columns("context.names", request.context.names, features.context)
        _require_count("context.values", len(context), len(request.context.names))
        context = context[columns]
    exploring = request.HasField("exploration")
    return SlateQuery(
        request_id=request.request_id,
        item_ids=tuple(request.item_ids),
        context=context,
        features=_matrix(request, features.item) if looked_up is None else looked_up,
        slate_size=request.slate_size,
        explore=exploring,
        temperature=request.exploration.temperature if exploring else 1.0,
    )


def _matrix(request: ranking_pb2.RankSlateRequest, expected: tuple[str, ...]) -> NDArray[np.float32]:
    names = request.features.names
    columns = _columns("features.names", names, expected) if names else None
    rows, width, size = len(request.item_ids), len(names) or len(expected), len(request.features.values)
    if size != 4 * rows * width:
        raise InvalidRequestError(
            "features.values",
            f"{size} bytes, expected {4 * rows * width}: {rows} candidates times {width} features times 4 bytes",
        )
    matrix = np.frombuffer(request.features.values, "<f4").reshape(rows, width)
    return matrix if columns is None else matrix[:, columns]


def _columns(field: str, names: list[str], expected: tuple[str, ...]) -> list[int]:
    """For every expected feature the place at which the caller gives it."""
    # Among one name more than there are features one is unknown or stands twice: millions of names cost nothing.
    read = names[: len(expected) + 1]
    places = {name: place for place, name in enumerate(read)}
    for name in read:
        if name not in expected:
            raise InvalidRequestError(field, f"unknown feature {name!r}; the model reads {', '.join(expected)}")
    if len(places) != len(read):
        raise InvalidRequestError(field, "a feature is named twice; name each once")
    for name in expected:
        if name not in places:
            raise InvalidRequestError(field, f"feature {name!r} is missing; give all of {', '.join(expected)}")
    return [places[name] for name in expected]


def _require_count(field: str, given: int, expected: int) -> None:
    if given != expected:
        raise InvalidRequestError(field, f"{given} values for {expected} names; give one value a name")
