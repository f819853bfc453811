"""The benchmark of an exported cascade: what it answers, what it reports, and what it does without."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import cascades_gpu
from benchmarks.cascades_gpu import with_exit_rate
from benchmarks.exported_cascade import Routing, Stages, confidence_of, open_stage, resized, run_cascade
from tests.vision_components.networks import images, network
from vision_components.committees import NEVER, route
from vision_components.committees.cascade import Cascade
from vision_components.committees.members import CascadeStage
from vision_components.export import export_cascade

ROOT = Path(__file__).parents[2]
KINDS = ("max_probability", "margin", "entropy")
PIXELS = np.rint(images(rows=40)).astype(np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An exported cascade whose stages read images of half and of full size."""
    first, second = (network(seed, width=4 + 2 * seed, embedding_width=3) for seed in (0, 1))
    stages = [CascadeStage(first, resolution=(8, 8)), CascadeStage(second)]
    names = ("bag", "hat", "shoe", "sock")
    return export_cascade(Cascade(stages, [0.6]), tmp_path_factory.mktemp("cascades"), "v1", names, PIXELS[:3])


@pytest.fixture
def stages(folder):
    return Stages([open_stage(folder / f"stage_{place}.onnx", "cpu") for place in range(2)], PIXELS)


def run_script(*arguments, without=()):
    """Run the benchmark in a Python that lacks some packages; prints which heavy ones were imported."""
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({without})); from benchmarks.cascades_gpu import main; main(); "
        "print(sorted({'tensorflow', 'pydantic', 'serving', 'vision_components'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@given(
    st.integers(1, 3),
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.sampled_from(KINDS),
    st.sampled_from(["mean", "last"]),
    st.integers(0, 2**32 - 1),
)
def test_batches_are_answered_as_the_definition_reads(depth, sizes, kind, combine, seed):
    rng = np.random.default_rng(seed)
    predictions = rng.dirichlet(np.full(4, 0.5), size=(depth, sum(sizes))).astype(np.float32)
    # A confidence that occurs, so that a row lies at the threshold itself.
    thresholds = [float(confidence_of(row[:1], kind)[0]) for row in predictions[:-1]]
    order = rng.permutation(sum(sizes))
    batches = np.split(order, np.cumsum(sizes)[:-1])
    said = run_cascade(lambda stage, rows: predictions[stage, rows], batches, Routing(tuple(thresholds), kind, combine))
    expected = route(predictions, thresholds, kind, combine)
    np.testing.assert_array_equal(said.probabilities, expected.probabilities[order])
    np.testing.assert_array_equal(said.exit_stage, expected.exit_stage[order])
    np.testing.assert_array_equal(said.confidence, expected.confidence[order])


@pytest.mark.parametrize("batches", [1, 4])
def test_the_graphs_rows_are_answered_as_the_definition_reads(stages, batches):
    rows = np.arange(len(PIXELS))
    predictions = np.stack([stages.read(stage, rows) for stage in range(2)])
    ordered = np.sort(predictions[0].max(axis=1))
    # Between two rows: batches of other sizes may say something else in the last digit.
    threshold = float(ordered[15:17].mean())
    said = run_cascade(stages.read, np.split(rows, batches), Routing((threshold,), "max_probability", "mean"))
    expected = route(predictions, [threshold])
    np.testing.assert_array_equal(said.exit_stage, expected.exit_stage)
    np.testing.assert_allclose(said.probabilities, expected.probabilities, atol=1e-6)
    assert set(said.exit_stage) == {0, 1}


@pytest.mark.parametrize(("rate", "leaving"), [(0.7, [28, 8]), (0.0, [0, 0]), (1.0, [40, 0])])
def test_a_share_of_each_stages_rows_leaves(rate, leaving):
    predictions = np.random.default_rng(0).dirichlet(np.ones(4), size=(3, 40)).astype(np.float32)

    def read(stage, rows):
        return predictions[stage, rows]

    routing = with_exit_rate(read, 40, Routing((0.1, 0.2), "margin", "mean"), rate)
    exits = run_cascade(read, [np.arange(40)], routing).exit_stage
    assert [int((exits == stage).sum()) for stage in (0, 1)] == leaving
    assert rate or routing.thresholds == (NEVER, NEVER)


def test_every_batch_size_and_way_is_reported_without_heavy_packages(folder, tmp_path):
    out = tmp_path / "result.json"
    given = ("--cascade", folder, "--provider", "cpu", "--budget", "0.01", "--exit-rate", "0.7", "--out", out)
    finished = run_script(*given)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.splitlines()[-1] == "[]"
    result = json.loads(out.read_text())
    ways = ("last stage alone", "all stages", "cascade")
    expected = {(batch, way, 1) for batch in (1, 32, 256) for way in ways} | {(32, "cascade, 4 merged", 4)}
    assert {(row["batch"], row["way"], row["batches a call"]) for row in result["rows"]} == expected
    read_by_last = {row["way"]: row["read by the last"] for row in result["rows"] if row["batch"] == 256}
    assert read_by_last == {"last stage alone": 1, "all stages": 1, "cascade": pytest.approx(0.3, abs=0.1)}
    assert result["figures"]["golden_difference"] < 1e-4
    for row in result["rows"]:
        assert 0 < row["median ms"] <= row["p99 ms"]
        if row["way"] != "last stage alone":
            name = row["way"].replace(",", "").replace(" ", "_")
            assert result["figures"][f"throughput_{name}_at_{row['batch']}"] == row["throughput ratio"]


def test_it_runs_without_pillow_and_rich_and_on_images_of_a_file(folder, tmp_path):
    np.savez(tmp_path / "images.npz", images=PIXELS)
    given = ("--cascade", folder, "--provider", "cpu", "--budget", "0", "--images", tmp_path / "images.npz")
    finished = run_script(*given, "--out", tmp_path / "result.json", without=("rich", "PIL"))
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.startswith("batch\tway\t")
    settings = json.loads((tmp_path / "result.json").read_text())["settings"]
    assert (settings["resizing"], settings["thresholds"], settings["exit_rate"]) == ("nearest", [0.6], "as exported")


def ended(monkeypatch, capsys, *arguments):
    """What is on the error stream when the benchmark ends with status 2."""
    monkeypatch.setattr(sys, "argv", ["cascades_gpu", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cascades_gpu.main()
    assert end.value.code == 2
    return capsys.readouterr().err.splitlines()


def test_a_provider_that_is_not_there_ends_it_and_those_there_are_named(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    out = tmp_path / "result.json"
    (line,) = ended(monkeypatch, capsys, "--cascade", folder, "--provider", "cuda", "--out", out)
    assert "CUDAExecutionProvider is not there, ONNX Runtime has CPUExecutionProvider; install onnxruntime-gpu" in line
    assert not out.exists()


@pytest.mark.skipif("CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="needs a lack of CUDA")
@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_provider_that_cannot_be_loaded_is_never_replaced_in_silence(folder, monkeypatch, capsys):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    (line,) = ended(monkeypatch, capsys, "--cascade", folder, "--provider", "cuda")
    assert "CUDAExecutionProvider cannot be loaded, only CPUExecutionProvider" in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--cascade", "nowhere"), "--cascade nowhere: FileNotFoundError"),
        (("--images", "nowhere.npz"), "give an NPZ file with images"),
        (("--exit-rate", "1.5"), "--exit-rate 1.5; give a share from 0 to 1"),
    ],
)
def test_what_cannot_be_measured_is_named_in_one_line(folder, monkeypatch, capsys, arguments, message):
    (line,) = ended(monkeypatch, capsys, "--cascade", folder, "--provider", "cpu", *arguments)
    assert message in line


@pytest.mark.parametrize("size", [(3, 5), (12, 9)])
def test_without_pillow_the_nearest_pixels_are_taken(size, monkeypatch):
    monkeypatch.setattr("benchmarks.exported_cascade.Image", None)
    image = np.arange(6 * 6 * 3, dtype=np.uint8).reshape(6, 6, 3)
    expected = [
        [image[int((row + 0.5) * 6 / size[0]), int((column + 0.5) * 6 / size[1])] for column in range(size[1])]
        for row in range(size[0])
    ]
    np.testing.assert_array_equal(resized(image, size), expected)
