"""What a simulated week is made of, and its three ways of going on from the first bundle."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from pipelines.ranges import require_in_range
from seriatim_errors import ConfigError

ArmName = Literal["static", "retrained", "exploring"]
BreakKind = Literal["training_labels", "all_labels", "bad_push", "damaged"]
ARMS: tuple[ArmName, ...] = get_args(ArmName)
# What a request earns: what the log tells, and the truth.
Reward = Literal["clicks", "wanted"]
BREAK_KINDS: tuple[BreakKind, ...] = get_args(BreakKind)
REWARDS: tuple[Reward, ...] = get_args(Reward)
# Below so many requests nothing is judged; so many times as many are expected, for shares are drawn by chance.
FEWEST_REQUESTS, SPARE = 30, 1.5


@dataclass(frozen=True)
class WeekSettings:
    """Sizes and parameters of a week; see docs/closed_loop.md.

    Attributes:
        days: days that are served.
        requests_per_day: requests of a day.
        first_requests: requests in the log that the first bundle is trained on.
        drift: how far tastes and stock move, 0 (not at all) to 1 (the falling and the rising category change places).
        slate_size: items a slate.
        exploration_share: share of the exploring arm's requests that get a uniformly random slate.
        window_days: the night trains on the slates of so many days, the last ones.
        canary_part: part of the day's requests, from its beginning, in which a new bundle is a canary.
        canary_share: its share of them.
        canary_margin: clicks a request by which a canary must certainly be worse to be rolled back.
        max_weight: at which inverse propensities are cut in the exploring arm's training.
        seed: fixes world, users and training.
        arms: those that are run.
        break_day: the night after this day is broken; None: none is.
        break_kind: how.

    Raises:
        ConfigError: a value is outside of its range.
    """

    days: int = 7
    requests_per_day: int = 3000
    first_requests: int = 600
    drift: float = 1.0
    slate_size: int = 5
    exploration_share: float = 0.05
    window_days: int = 3
    canary_part: float = 0.4
    canary_share: float = 0.5
    canary_margin: float = 0.02
    max_weight: float = 30.0
    seed: int = 0
    arms: tuple[ArmName, ...] = ARMS
    break_day: int | None = None
    break_kind: BreakKind = "all_labels"

    def __post_init__(self) -> None:
        if not 0 < self.canary_part <= 1:
            raise ConfigError(f"canary_part is {self.canary_part}; give a share above 0, so that a canary has requests")
        require_in_range(
            self,
            ("days", 1, math.inf),
            ("requests_per_day", 20, math.inf),
            ("first_requests", 20, math.inf),
            ("drift", 0, 1),
            ("slate_size", 2, 20),
            ("exploration_share", 0, 1),
            ("window_days", 1, math.inf),
            ("canary_share", 0, 1),
            ("canary_margin", 0, math.inf),
            ("max_weight", 1, math.inf),
            ("seed", 0, math.inf),
        )
        if not self.arms or len(set(self.arms)) < len(self.arms):
            raise ConfigError(f"arms is {', '.join(self.arms) or 'empty'}; give some of {', '.join(ARMS)}, each once")
        judged = self.canary_part * self.requests_per_day * min(self.canary_share, 1 - self.canary_share)
        if judged < SPARE * FEWEST_REQUESTS and self.days > 1 and set(self.arms) != {"static"}:
            raise ConfigError(
                f"requests_per_day is {self.requests_per_day}: a canary, or what it is compared with, would have about "
                f"{judged:.0f} requests in the morning and needs {FEWEST_REQUESTS}; give more requests a day"
            )
        if self.break_day is not None and not 1 <= self.break_day < self.days:
            raise ConfigError(
                f"break_day is {self.break_day}; give a day from 1 to {self.days - 1}: a bundle takes traffic on the "
                "day after its night"
            )

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as `week.json` holds them."""
        return {**asdict(self), "arms": list(self.arms)}


def retrains(arm: ArmName) -> bool:
    """Whether an arm trains at night."""
    return arm != "static"


def explores(arm: ArmName) -> bool:
    """Whether an arm's service explores, and its training weighs by inverse propensity."""
    return arm == "exploring"
