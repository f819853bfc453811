"""The inputs of a run that lie elsewhere, mirrored before anything reads them."""

from __future__ import annotations

from collections.abc import Callable

from pipelines.config import PipelineConfig
from pipelines.locations import Location
from pipelines.locations.mirror import local_copy
from pipelines.readers.files import COMPANION_PATTERNS

MIRRORS = "remote"


def with_local_inputs(config: PipelineConfig, say: Callable[[str], None]) -> PipelineConfig:
    """The configuration with its log and its catalogue named by their mirrors in the run's folder, brought up to date.

    Raises:
        DataError: an input does not exist, or its store cannot be read.
    """
    data, root = config.data, config.run_folder / MIRRORS
    beside = COMPANION_PATTERNS.get(data.format, ())
    log = local_copy(data.path, root / "log", (*data.train, *data.evaluation), beside, say)
    items = data.items
    if items is not None and not (config.labeller is None and config.images is None):
        items = Location(local_copy(items, root / "items", say=say))
    return config.model_copy(update={"data": data.model_copy(update={"path": Location(log), "items": items})})
