"""How a run goes on, for people at a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.report.metrics_file import ComponentTime


class TerminalProgress:
    """A line a component on the terminal: what runs now, what is done, what was cached."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._console = Console()
        self._bar = Progress(
            TextColumn("{task.description:<24}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
        )
        self._task = self._bar.add_task("starting", total=None)

    def say(self, message: str) -> None:
        """Print a line."""
        self._console.print(message, highlight=False, soft_wrap=True)

    def plan(self, components: list[str]) -> None:
        """These components will run."""
        self._bar.update(self._task, total=len(components))
        self._bar.start()

    def start(self, component: str) -> None:
        """One begins."""
        self._bar.update(self._task, description=component)

    def finish(self, run: ComponentTime) -> None:
        """One has ended."""
        self._bar.advance(self._task)
        took = "cached" if run.cached else f"{run.seconds:6.1f} s"
        self._bar.console.print(f"  {run.component:<24} {took:>9}", highlight=False)

    def stop(self) -> None:
        """Remove the bar."""
        self._bar.stop()
