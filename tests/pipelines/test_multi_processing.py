"""Beam's workers in processes of their own, and behind a job server: what they make is what one process makes."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import apache_beam as beam
import grpc
import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
import tensorflow_model_analysis as tfma

from pipelines.config import EvaluationConfig
from pipelines.evaluation.judged_items import JUDGED_FILE
from pipelines.evaluation.model_analysis import analyse
from pipelines.examples import read_serialised, read_standardisation
from pipelines.image_features import FEATURES_FILE, IMAGE_PREFIX
from serving.images.manifest import CASCADE_FILE
from tests.free_port import free_port
from tests.pipelines.small_pipeline import artifact, run_small

pytestmark = pytest.mark.slow
PROCESSES = (
    "--runner=DirectRunner",
    "--direct_running_mode=multi_processing",
    "--direct_num_workers=2",
    "--sdk_container_image=none",
)


@pytest.fixture(scope="module")
def job_server():
    """The address of Beam's own job server, which speaks the protocol that those of Flink and Spark speak."""
    port = free_port()
    command = [sys.executable, "-m", "apache_beam.runners.portability.local_job_service_main", f"--port={port}"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            wait_for(port)
            yield f"localhost:{port}"
        finally:
            server.terminate()


@pytest.fixture(scope="module")
def worker_pool():
    """The port of a pool, a process that starts workers for those who ask, as it stands beside a cluster's machines."""
    port = free_port()
    command = [sys.executable, "-m", "apache_beam.runners.worker.worker_pool_main", f"--service_port={port}"]
    # It starts whatever `python` is first on the path.
    path = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    with subprocess.Popen(command, env=path, stderr=subprocess.DEVNULL, start_new_session=True) as pool:
        try:
            wait_for(port)
            yield port
        finally:
            # Its workers end some time after their work; they are the pool's, and go with it.
            os.killpg(pool.pid, signal.SIGKILL)


def wait_for(port):
    """Until a server answers there."""
    with grpc.insecure_channel(f"localhost:{port}") as channel:
        grpc.channel_ready_future(channel).result(timeout=120)


@pytest.fixture
def behind_a_job_server(job_server):
    """Options that have a job server do the work, which waits for the workers' slow start."""
    return (
        "--runner=PortableRunner", f"--job_endpoint={job_server}", "--job_server_timeout=600",
        "--sdk_container_image=none",
    )  # fmt: skip


@pytest.fixture
def elsewhere(request):
    """Options that take the work out of this process's usual runner, by name."""
    if request.param == "processes":
        return PROCESSES
    options = request.getfixturevalue("behind_a_job_server")
    if request.param == "job server":
        return (*options, "--environment_type=LOOPBACK")
    port = request.getfixturevalue("worker_pool")
    return (*options, "--environment_type=EXTERNAL", f"--environment_config=localhost:{port}")


@pytest.mark.parametrize("elsewhere", ["processes", "worker pool"], indirect=True)
def test_the_data_phase_makes_elsewhere_what_it_makes_in_one_process(root, first, elsewhere, tmp_path):
    [cascade] = artifact(root, "CascadeTrainer", "cascade").glob(f"*/{CASCADE_FILE}")
    places = {"run_root": str(tmp_path / "runs"), "images__cache_root": str(tmp_path / "cache")}
    run_small(root, "data", beam_options=elsewhere, images__cascade=str(cascade.parent), **places)
    if elsewhere[0] == "--runner=DirectRunner":
        assert workers() == []
    for split in ("train", "eval"):
        here, there = (examples(folder, split) for folder in (root, tmp_path))
        assert sum(here.values()) > 40
        assert there == here
    found = [pictures(folder) for folder in (root, tmp_path)]
    assert list(found[0]) == list(found[1])
    np.testing.assert_allclose(found[1].to_numpy(float), found[0].to_numpy(float), atol=1e-6)
    graphs = [artifact(folder, "Transform", "transform_graph") for folder in (root, tmp_path)]
    constants = [read_standardisation(graph, log1p=False) for graph in graphs]
    np.testing.assert_allclose(constants[1].mean, constants[0].mean, rtol=1e-5)
    np.testing.assert_allclose(constants[1].scale, constants[0].scale, rtol=1e-5)


@pytest.mark.parametrize("elsewhere", ["job server"], indirect=True)
def test_model_analysis_finds_elsewhere_what_it_finds_in_one_process(root, first, elsewhere, tmp_path):
    judged = artifact(root, "BundleEvaluator", "evaluation") / JUDGED_FILE
    settings, found = EvaluationConfig(cutoffs=(10,), slices=({"column": "context_mobile"},)), []
    for name, options in (("here", ()), ("there", elsewhere)):
        with beam.Pipeline(argv=list(options)) as pipeline:
            analyse(pipeline, judged, settings, tmp_path / name)
        result = tfma.load_eval_result(str(tmp_path / name), model_name="served")
        found.append(dict(gains(result)))
    assert workers() == []
    assert len(found[0]) > 1
    assert found[1] == pytest.approx(found[0], abs=1e-12)


def workers():
    """Command lines of the workers that this process has left running, or one that it started; a pool's are its own."""
    found, parents = [], [os.getpid()]
    while parents:
        children = Path(f"/proc/{parents.pop()}/task").glob("*/children")
        numbers = [number for listed in children for number in listed.read_text().split()]
        commands = {number: Path(f"/proc/{number}/cmdline").read_text() for number in numbers}
        found += commands.values()
        parents += [number for number, command in commands.items() if "worker_pool_main" not in command]
    return [command for command in found if "sdk_worker" in command]


def gains(result):
    """Every number of an analysis, named by slice and metric."""
    for group, outputs in result.slicing_metrics:
        for name, value in outputs[""]["topK:10"].items():
            yield (group, name), value["doubleValue"]


def examples(folder, split):
    """How often every example stands in a split that a run under `folder` left, but for what thumbnails became."""
    counts = Counter()
    for serialised in read_serialised(artifact(folder, "ClickLogExampleGen", "examples"), split).as_numpy_iterator():
        # Serialised, equal examples may differ: their features have no order.
        features = tf.train.Example.FromString(serialised).features.feature
        values = {name: str(features[name]) for name in sorted(features) if not name.startswith(IMAGE_PREFIX)}
        counts[tuple(values.items())] += 1
    return counts


def pictures(folder):
    """What the thumbnails became in a run under `folder`, an item a row."""
    features = artifact(folder, "ThumbnailScorer", "features") / FEATURES_FILE
    return pq.read_table(features).to_pandas().set_index("item_id").sort_index()
