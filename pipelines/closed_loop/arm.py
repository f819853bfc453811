"""One arm of a week: its service, its event log, its bundles, day after day."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.closed_loop.canary import CanaryVerdict, judge_canary
from pipelines.closed_loop.day import Served, joined, serve_part
from pipelines.closed_loop.night import NightPlan, NightResult, broken_night, night
from pipelines.closed_loop.records import ArmRecords, DayRecord
from pipelines.closed_loop.service import PATIENCE_SECONDS, running_service, service_config
from pipelines.closed_loop.settings import ArmName, WeekSettings, explores, retrains
from pipelines.closed_loop.world import World
from seriatim_errors import ServiceError
from serving.bundle import bundle_versions
from serving.client import AsyncRankingClient
from serving.events.files import event_files
from serving.models import Traffic
from serving.proto.seriatim.v1 import models_pb2

MORNING, REST = 0, 1


@dataclass(frozen=True)
class Arm:
    """Where an arm works and with what.

    Attributes:
        name: which one.
        settings: of the week.
        world: that it serves.
        config: YAML file of the nights' pipeline.
        folder: of the arm.
        bundles: where its bundles lie, the first one among them.
    """

    name: ArmName
    settings: WeekSettings
    world: World
    config: Path
    folder: Path
    bundles: Path

    @property
    def records(self) -> ArmRecords:
        """Its days and nights."""
        return ArmRecords(self.folder / "days")

    @property
    def events(self) -> Path:
        """Folder of its event log."""
        return self.folder / "events"

    async def serve_day(self, day: int, first: str) -> tuple[DayRecord, Served]:
        """Serve a day, or say what became of it if it is finished.

        The morning's traffic is shared with the bundle that the last night pushed; then the rule decides, and the rest
        of the day is the winner's. A bundle that loses leaves the folder: the next night is not compared with it.

        Args:
            day: from 1.
            first: version of the first bundle.

        Raises:
            ServiceError: the service cannot start, or refuses a request.
        """
        kept = self.records.day(day)
        if kept is not None:
            return kept
        before, last_night = self.records.day(day - 1), self.records.night(day - 1)
        stable, past = (first, ()) if before is None else (before[0].stable, before[0].events)
        canary = "" if last_night is None else last_night.version
        self._start_clean({name for names in past for name in names}, canary)
        settings = self.settings
        requests = self.world.requests(day, settings.requests_per_day)
        # Every arm serves the day in the same two parts, so that its users are the same with a canary and without.
        split = max(1, round(settings.canary_part * len(requests)))
        share = settings.exploration_share if explores(self.name) else 0.0
        config, parts = service_config(self.bundles, self.events, share), []
        verdict: CanaryVerdict | None = None
        with running_service(config, self.folder / "service.log") as address:
            async with AsyncRankingClient(address, timeout=PATIENCE_SECONDS) as client:
                await client.set_traffic(_message(Traffic(stable=stable)))
                refused = await self._refused(client, stable, canary) if canary else ""
                for part, rows in ((MORNING, slice(0, split)), (REST, slice(split, None))):
                    asked = requests.part(rows)
                    if len(asked):
                        parts.append(await serve_part(client, self.world, day, part, asked, settings.slate_size))
                    if canary and part == MORNING:
                        verdict = self._verdict(refused, canary, joined(parts))
                        stable = canary if verdict.promoted else stable
                        await client.set_traffic(_message(Traffic(stable=stable)))
        if verdict is not None and not verdict.promoted:
            self._set_aside(canary)
        today = {path.name for path in event_files(self.events)} - {name for names in past for name in names}
        record = DayRecord(
            stable=stable,
            canary=canary,
            promoted=verdict is not None and verdict.promoted,
            decision="" if verdict is None else verdict.reason,
            events=(*past, tuple(sorted(today))),
        )
        served = joined(parts)
        self.records.keep_day(day, record, served)
        return record, served

    def train_at_night(self, day: int, doing: Callable[[str], None]) -> NightResult | None:
        """The night after a finished day, or what became of it; None for an arm that does not train."""
        if not retrains(self.name):
            return None
        kept = self.records.night(day)
        if kept is not None:
            return kept
        today = self.records.day(day)
        assert today is not None
        record, settings = today[0], self.settings
        plan = NightPlan(self.config, self.overrides, self.folder / "nights" / f"{day:02d}", self.bundles.parent)
        shutil.rmtree(plan.folder, ignore_errors=True)
        self._forget_unrecorded(day)
        events = [self.events / name for names in record.events[-settings.window_days :] for name in names]
        if day == settings.break_day:
            result = broken_night(plan, events, self.bundles / record.stable, settings.break_kind, doing)
        else:
            result = night(plan, events, doing)
        self.records.keep_night(day, result)
        return result

    @property
    def overrides(self) -> dict[str, Any]:
        """What the week says about the nights' pipeline."""
        own: dict[str, Any] = {"serving.slate_size": self.settings.slate_size, "seed": self.settings.seed}
        if explores(self.name):
            own["base_ranker.weighting"] = "inverse_propensity"
            own["base_ranker.max_weight"] = self.settings.max_weight
        return own

    async def _refused(self, client: AsyncRankingClient, stable: str, canary: str) -> str:
        """Give a bundle its share as a canary; says why where the service refuses it, which then gets no traffic."""
        try:
            await client.set_traffic(
                _message(Traffic(stable=stable, canary=canary, canary_share=self.settings.canary_share))
            )
        except ServiceError as error:
            return f"refused by the service, no traffic: {error}"
        return ""

    def _verdict(self, refused: str, canary: str, morning: Served) -> CanaryVerdict:
        if refused:
            return CanaryVerdict(False, refused)
        ours = morning.versions == canary
        return judge_canary(morning.clicks[ours], morning.clicks[~ours], self.settings.canary_margin)

    def _start_clean(self, known: set[str], canary: str) -> None:
        """Forget what a day that was cut off left behind."""
        self.events.mkdir(parents=True, exist_ok=True)
        for path in event_files(self.events):
            if path.name not in known:
                path.unlink()
        aside = self._aside / canary
        if canary and aside.exists():
            aside.rename(self.bundles / canary)

    def _forget_unrecorded(self, day: int) -> None:
        """Remove what a night after `day` that was cut off has pushed, with which no other is to be compared."""
        days = [self.records.day(number) for number in range(1, day + 1)]
        nights = [self.records.night(number) for number in range(1, day)]
        known = {record.stable for record, _ in filter(None, days)} | {one.version for one in filter(None, nights)}
        for version in bundle_versions(self.bundles):
            if version not in known:
                shutil.rmtree(self.bundles / version)

    def _set_aside(self, version: str) -> None:
        self._aside.mkdir(exist_ok=True)
        (self.bundles / version).rename(self._aside / version)

    @property
    def _aside(self) -> Path:
        return self.folder / "rolled_back"


def _message(traffic: Traffic) -> models_pb2.Traffic:
    return models_pb2.Traffic(stable=traffic.stable, canary=traffic.canary, canary_share=traffic.canary_share)
