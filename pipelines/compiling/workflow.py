"""What every orchestrator is told: four tasks one after another, each a command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.phases import PHASES, Phase
from seriatim_errors import ConfigError


@dataclass(frozen=True)
class Workflow:
    """A pipeline to be run elsewhere.

    Attributes:
        name: of the pipeline, letters, digits, `_` and `-`.
        config: path of its configuration, as the workers see it.
        folder: the workers' working folder, which relative paths of the configuration start from.
        command: what starts `seriatim` there.
        retries: how often a task that fails is begun again; it goes on behind its last finished component.
    """

    name: str
    config: str
    folder: str
    command: tuple[str, ...] = ("seriatim",)
    retries: int = 3

    def __post_init__(self) -> None:
        for field, path in (("config", self.config), ("folder", self.folder)):
            if not path.startswith("/"):
                raise ConfigError(f"{field}: {path!r} is no absolute path; workers know no other folder to start from")
        if self.retries < 0:
            raise ConfigError(f"retries: {self.retries}; give 0 or more")

    def tasks(self) -> Sequence[tuple[Phase, tuple[str, ...]]]:
        """Each phase with its command, in the order in which they run."""
        return [(phase, (*self.command, "run", "--config", self.config, "--until", phase)) for phase in PHASES]
