"""The bundles of a folder: new ones are taken up, broken ones refused, and the rules say who ranks what."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import MappingProxyType

from seriatim_errors import BundleError
from serving.bundle import Manifest, bundle_versions
from serving.models.loading import LoadedModel, load_model
from serving.models.shares import in_share
from serving.models.traffic import Rules, Traffic, TrafficError, read_rules, write_rules
from serving.runtime.query import InvalidRequestError

logger = logging.getLogger(__name__)


class ModelState(Enum):
    """What a process makes of a version."""

    KNOWN = "known"
    LOADING = "loading"
    READY = "ready"
    REFUSED = "refused"


@dataclass(frozen=True)
class ModelStatus:
    """A version as `ModelStore.statuses` tells of it; `manifest` is None unless it is loaded."""

    version: str
    state: ModelState
    refusal: str = ""
    manifest: Manifest | None = None
    requests: int = 0


@dataclass(frozen=True)
class _Refusal:
    """Why a version was refused.

    Attributes:
        reason: in words.
        stamp: the files of its folder then, with their times and sizes; a change in any is a new chance.
        waiting: the model, where nothing is wrong with itself; it is asked for again at every look.
    """

    reason: str
    stamp: frozenset[tuple[str, int, int]]
    waiting: LoadedModel | None = None


@dataclass(frozen=True)
class _Routing:
    """Everything that `choose` reads, replaced as a whole."""

    traffic: Traffic
    stable: LoadedModel
    canary: LoadedModel | None = None
    shadow: LoadedModel | None = None
    loaded: Mapping[str, LoadedModel] = field(default_factory=dict)


class ModelStore:
    """Keeps the versions loaded that the rules ask for, and the one that was served before for going back at once.

    The folder is looked at every `poll_seconds`, by listing it: that works on every file system. A version is verified,
    loaded, tested and warmed up in the watching thread before it takes traffic by one assignment; requests that hold
    the version before finish with it. The rules lie in the folder itself, so that all processes follow them, and the
    next start.

    Args:
        root: folder of bundles.
        poll_seconds: time between looks.
        only: serve this one version, whatever else is there; rules are then neither read nor written.
        item_features: open the bundles' features of items too.
        changed: called with the version in service whenever another one takes over.
        accept: raises `BundleError` for a version that must wait for what it reads, and is asked again at every look.
    """

    def __init__(
        self,
        root: Path,
        poll_seconds: float = 2.0,
        only: str | None = None,
        item_features: bool = False,
        changed: Callable[[str], None] | None = None,
        accept: Callable[[LoadedModel], None] | None = None,
    ) -> None:
        self._root, self._poll_seconds, self._only = root, poll_seconds, only
        self._item_features, self._changed, self._accept = item_features, changed, accept
        self._lock = threading.Lock()
        self._refusals: dict[str, _Refusal] = {}
        self._loading = ""
        self._rules = Rules()
        self._previous: LoadedModel | None = None
        self._routing: _Routing | None = None
        self._stopping = threading.Event()
        self._watcher: threading.Thread | None = None

    def start(self) -> None:
        """Load what the rules ask for, and watch.

        Raises:
            BundleError: no sound bundle can be served; the message says why the newest was refused.
            TrafficError: the rules cannot be read, or the version they name cannot be served.
        """
        with self._lock:
            if self._only is None:
                self._rules = read_rules(self._root)
            self._route()
        if self._only is None:
            self._watcher = threading.Thread(target=self._watch, name="model-watcher", daemon=True)
            self._watcher.start()

    def close(self) -> None:
        """Stop watching; returns when the watching thread has ended."""
        self._stopping.set()
        if self._watcher is not None:
            self._watcher.join()

    def choose(self, request_id: str, pinned: str = "") -> LoadedModel:
        """The bundle that ranks a request, by the rules or as `pinned`.

        Raises:
            InvalidRequestError: the pinned version is not loaded.
        """
        routing = self._current()
        if pinned:
            model = routing.loaded.get(pinned)
            if model is None:
                raise InvalidRequestError(
                    "bundle_version", f"{pinned!r} is not loaded; give one of {', '.join(routing.loaded)}, or none"
                )
        elif routing.canary is not None and in_share(request_id, routing.traffic.canary_share, "canary"):
            model = routing.canary
        else:
            model = routing.stable
        model.requests += 1
        return model

    def shadow(self, request_id: str) -> LoadedModel | None:
        """The bundle that ranks a copy of a request, unseen; None where the rules want none."""
        routing = self._current()
        if routing.shadow is None or not in_share(request_id, routing.traffic.shadow_share, "shadow"):
            return None
        routing.shadow.requests += 1
        return routing.shadow

    @property
    def traffic(self) -> Traffic:
        """The rules in force."""
        return self._current().traffic

    @property
    def stable(self) -> LoadedModel:
        """The bundle of most requests."""
        return self._current().stable

    @property
    def loaded(self) -> Mapping[str, LoadedModel]:
        """All bundles in memory, by version."""
        return self._current().loaded

    def statuses(self) -> list[ModelStatus]:
        """All versions on disk or in memory, oldest first."""
        loaded, refusals = self._current().loaded, dict(self._refusals)
        found = []
        for version in sorted({*self._versions(), *loaded}):
            if version in loaded:
                model = loaded[version]
                found.append(ModelStatus(version, ModelState.READY, "", model.manifest, model.requests))
            elif version == self._loading:
                found.append(ModelStatus(version, ModelState.LOADING))
            elif version in refusals:
                found.append(ModelStatus(version, ModelState.REFUSED, refusals[version].reason))
            else:
                found.append(ModelStatus(version, ModelState.KNOWN))
        return found

    def set_traffic(self, traffic: Traffic) -> Traffic:
        """Put new rules into force here, and by their file everywhere; blocks while versions are loaded.

        Raises:
            TrafficError: a version is not there or was refused, or the rules cannot be kept; those before then stay.
        """
        with self._lock:
            return self._set(Rules(traffic, before=self._rules.traffic))

    def roll_back(self) -> Traffic:
        """Go back to the rules before the present ones; where there are none, to the sound version before this one.

        Raises:
            TrafficError: there is nothing to go back to.
        """
        with self._lock:
            before = self._rules.before
            if before is None:
                before = Traffic(stable=self._version_before(self._current().stable.version))
            return self._set(Rules(before, before=self._rules.traffic))

    def _current(self) -> _Routing:
        if self._routing is None:
            raise BundleError("no bundle is loaded yet; start the store first")
        return self._routing

    def _versions(self) -> list[str]:
        return bundle_versions(self._root) if self._only is None else [self._only]

    def _watch(self) -> None:
        while not self._stopping.wait(self._poll_seconds):
            try:
                self.refresh()
            except Exception:
                logger.exception("the bundles under %s could not be looked at; those in service stay", self._root)

    def refresh(self) -> None:
        """Look at the folder and the rules now.

        Raises:
            SeriatimError: the rules cannot be read or followed; what was in service stays.
        """
        with self._lock:
            self._rules = read_rules(self._root)
            self._route()

    def _set(self, rules: Rules) -> Traffic:
        if self._only is not None:
            raise TrafficError("this service was started with one bundle; start it with a folder of bundles for rules")
        known = self._versions()
        for version in rules.traffic.versions:
            if version not in known:
                raise TrafficError(f"version {version!r} is not under {self._root}; there are {', '.join(known)}")
        kept, self._rules = self._rules, rules
        try:
            self._route()
            write_rules(self._root, rules)
        except Exception:
            self._rules = kept
            self._route()
            raise
        return rules.traffic

    def _route(self) -> None:
        """Load what the rules ask for and send the traffic there."""
        traffic, routing = self._rules.traffic, self._routing
        loaded = dict(routing.loaded) if routing is not None else {}
        stable = self._named(traffic.stable or self._only or "", loaded) or self._newest(loaded)
        canary, shadow = self._named(traffic.canary, loaded), self._named(traffic.shadow, loaded)
        if routing is not None and routing.stable is not stable:
            self._previous = routing.stable
        kept = [model for model in (self._previous, stable, canary, shadow) if model is not None]
        by_version = {model.version: model for model in sorted(kept, key=lambda model: model.version)}
        self._routing = _Routing(traffic, stable, canary, shadow, MappingProxyType(by_version))
        if self._changed is not None and (routing is None or routing.stable is not stable):
            self._changed(stable.version)

    def _named(self, version: str, loaded: dict[str, LoadedModel]) -> LoadedModel | None:
        """The version that a rule names.

        Raises:
            TrafficError: it cannot be served.
        """
        if not version:
            return None
        model = self._load(version, loaded)
        if model is None:
            raise TrafficError(f"version {version!r} was refused: {self._refusals[version].reason}")
        return model

    def _newest(self, loaded: dict[str, LoadedModel]) -> LoadedModel:
        versions = self._versions()
        for version in reversed(versions):
            model = self._load(version, loaded)
            if model is not None:
                return model
        if self._routing is not None:
            # The folder was emptied under us: what is in memory is still sound.
            return self._routing.stable
        if not versions:
            raise BundleError(
                f"no bundle under {self._root}; make one with 'seriatim run' or give another --bundles folder"
            )
        raise BundleError(f"no sound bundle under {self._root}; the newest: {self._refusals[versions[-1]].reason}")

    def _version_before(self, version: str) -> str:
        loaded = dict(self._current().loaded)
        for older in reversed([known for known in self._versions() if known < version]):
            if self._load(older, loaded) is not None:
                return older
        raise TrafficError(f"nothing to go back to: no rules before these, and no sound version older than {version}")

    def _load(self, version: str, loaded: dict[str, LoadedModel]) -> LoadedModel | None:
        """The version, loaded if need be; None, with the reason kept, where it is refused."""
        if version in loaded:
            return loaded[version]
        folder = self._root / version
        stamp = _stamp(folder)
        refusal, waiting = self._refusals.get(version), None
        if refusal is not None and refusal.stamp == stamp:
            waiting = refusal.waiting
            if waiting is None:
                return None
        self._loading = version
        try:
            waiting = waiting or load_model(folder, self._item_features)
            if self._accept is not None:
                self._accept(waiting)
        except Exception as error:
            self._refusals[version] = _Refusal(str(error), stamp, waiting)
            if refusal is None or refusal.reason != str(error):
                logger.error("bundle %s is refused: %s", version, error)
            return None
        finally:
            self._loading = ""
        loaded[version] = waiting
        self._refusals.pop(version, None)
        logger.info("bundle %s is verified, tested and warm", version)
        return waiting


def _stamp(folder: Path) -> frozenset[tuple[str, int, int]]:
    """What tells whether anything in a version's folder changed: name, modification time (ns) and size of its files.

    Of all files and not of the manifest alone: where a version is copied file by file the manifest may come first.
    """
    found = set()
    for inside, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # it went while we looked
                status = os.stat(os.path.join(inside, name))
                found.add((os.path.relpath(os.path.join(inside, name), folder), status.st_mtime_ns, status.st_size))
    return frozenset(found)
