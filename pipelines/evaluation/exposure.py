"""What share of users' attention each group of items gets, as served and in the reference order."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pipelines.config import PipelineConfig
from pipelines.evaluation.in_file import interval_of
from pipelines.evaluation.slice_columns import sliced_by
from pipelines.report.exposure_metrics import ExposureMetrics, GroupExposure
from ranking.lists import RankingLists
from ranking.metrics import IntervalStreams, exposure, rows_by_group, sums_by_request

SETTING = "evaluation.item_groups"


def exposure_metrics(
    lists: RankingLists, rankings: Mapping[str, NDArray[np.floating]], reference: str, config: PipelineConfig
) -> ExposureMetrics | None:
    """Compare the groups' shares of all exposure; None without groups or without items.

    Args:
        lists: held-out requests, raw features.
        rankings: by policy the scores of the items, float `[items]`; `served` and the reference among them.
        reference: the policy to compare with.
        config: names the groups and the slate's size.

    Raises:
        DataError: a column has too many values for a group each.
    """
    settings, slate_size = config.evaluation, config.serving.slate_size
    if not settings.item_groups or len(lists.item_ids) == 0:
        return None
    served, compared = (exposure(lists, rankings[name], slate_size) for name in ("served", reference))
    # A request's slate has the same places whoever fills them.
    request = lists.list_index
    places = np.bincount(request, served, len(lists))
    clicks = np.zeros(len(lists.item_ids)) if lists.clicks is None else lists.clicks
    clicked = np.bincount(request, clicks, len(lists)).astype(np.float64)
    # What is shared out among the groups, and all of it in each request.
    shared = {
        "clicks": (clicks, clicked),
        "served": (served, places),
        "reference": (compared, places),
        "difference": (served - compared, places),
    }
    streams: IntervalStreams[tuple[str, str, str]] = IntervalStreams(
        settings.confidence, settings.bootstrap_samples, config.seed
    )
    groups: list[tuple[str, str, int]] = []
    for given in settings.item_groups:
        sliced = sliced_by(given, lists.features[:, lists.feature_names.index(given.column)], SETTING)
        for value, rows in zip(sliced.names, rows_by_group(sliced.index, len(sliced.names)), strict=True):
            groups.append((sliced.column, value, len(rows)))
            for name, (values, all_of_it) in shared.items():
                key = (sliced.column, value, name)
                own = sums_by_request(request, values, rows, len(lists))
                streams.add({key: own / np.where(all_of_it > 0, all_of_it, 1.0)}, {key: all_of_it})
    found = {key: interval_of(interval) for key, interval in streams.intervals().items()}
    described = tuple(
        GroupExposure(
            column=column,
            value=value,
            candidates=candidates,
            candidate_share=candidates / len(lists.item_ids),
            clicks=found[column, value, "clicks"],
            served=found[column, value, "served"],
            reference=found[column, value, "reference"],
            difference=found[column, value, "difference"],
        )
        for column, value, candidates in groups
    )
    return ExposureMetrics(against=reference, slate_size=slate_size, rows=described)
