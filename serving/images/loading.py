"""From the configuration to a cascade that may take traffic: verified, loaded, tested, warm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter

import numpy as np

from serving.config import ImagesConfig
from serving.images.batch_times import BatchTimes
from serving.images.golden import self_test
from serving.images.reader import open_cascade
from serving.images.runtime import CascadeRuntime
from serving.images.stage_graph import StageGraph, load_stages
from serving.images.statistics import StageRun


def load_cascade(
    folder: Path, config: ImagesConfig, observe: Callable[[StageRun], None] | None = None
) -> CascadeRuntime:
    """The cascade of a folder, as configured.

    Args:
        folder: of the cascade.
        config: section `images`.
        observe: called with every batch that it runs.

    Raises:
        BundleError: the cascade is not sound, or does not say of its golden images what it promises.
        ConfigError: the provider cannot be had.
    """
    cascade = open_cascade(folder)
    times = BatchTimes(sorted(set(config.buckets)))
    graphs = load_stages(
        cascade.folder, cascade.manifest, times.buckets, config.provider, fallback=config.provider_fallback
    )
    self_test(cascade.manifest.version, graphs, cascade.golden(), times.buckets[0])
    warm_up(graphs, times)
    return CascadeRuntime(cascade.manifest, graphs, times, config.delay_ms / 1000, config.queue_images, observe=observe)


def warm_up(graphs: Sequence[StageGraph], times: BatchTimes) -> None:
    """Run every stage in every bucket, so that no caller pays for first times, and learn what it costs.

    Raises:
        ServiceError: a graph gives other shapes than it promised.
    """
    for stage, graph in enumerate(graphs):
        black = np.zeros((graph.size.height, graph.size.width, 3), np.uint8)
        for bucket in times.buckets:
            graph.run([black], bucket)
            begun = perf_counter()
            graph.run([black], bucket)
            times.observe(stage, bucket, perf_counter() - begun)
