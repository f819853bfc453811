"""The configured share of the traffic explores, so that the next model can be judged on its log."""

from __future__ import annotations

from dataclasses import replace

from serving.config import ExplorationConfig
from serving.models.shares import in_share
from serving.runtime.query import SlateQuery


def explored(query: SlateQuery, config: ExplorationConfig) -> SlateQuery:
    """The query with the policy of its traffic share; one that explores by itself stays as it is.

    The share is the same for every process and replica, and independent of canary and shadow.
    """
    if query.explore or config.policy == "none" or not in_share(query.request_id, config.share, "exploration"):
        return query
    if config.policy == "temperature":
        return replace(query, explore=True, temperature=config.temperature)
    return replace(query, epsilon=config.epsilon)
