"""Networks described for a machine without TensorFlow: what is said of them, and what comes back."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from benchmarks import cascade_pool, structure_search
from benchmarks.cifar10 import Cifar10, Images
from benchmarks.multi_hashing import PLAIN, STRUCTURED, Trial, network
from benchmarks.network_plan import (
    network_plan,
    require_trained,
    set_weights_by_name,
    trained_on,
    weights_by_name,
    write_plan,
)
from benchmarks.structure_search import whole_network
from seriatim_errors import DataError
from vision_components.backbones import resnet
from vision_components.committees.cascade import Cascade
from vision_components.committees.members import CascadeStage
from vision_components.export import export_cascade
from vision_components.structure import Architecture, ChannelGraph
from vision_components.structure.prune import built

ROOT = Path(__file__).parents[2]
# A Python that has torch, onnx, onnxruntime and Pillow, such as the one that benchmarks.seq2slate_training is given.
TORCH_PYTHON = os.environ.get("SERIATIM_TORCH_PYTHON")
needs_torch = pytest.mark.skipif(not TORCH_PYTHON, reason="needs SERIATIM_TORCH_PYTHON, a Python with PyTorch")
SAY_LOGITS = """
import json, sys, numpy as np, torch
from pathlib import Path
from benchmarks.torch_resnet import TorchResnet
folder = Path(sys.argv[1])
pixels = torch.tensor(np.load(folder / "pixels.npy")).permute(0, 3, 1, 2)
for place, plan in enumerate(json.loads((folder / "networks.json").read_text())["networks"]):
    start = dict(np.load(folder / plan["start"]))
    net = TorchResnet(plan, torch.device("cpu"), torch.float32, start)
    assert all(np.array_equal(start[name], value) for name, value in net.weights().items())
    with torch.no_grad():
        np.save(folder / f"said_{place}.npy", net.logits(pixels, training=False).numpy())
"""


def pixels(rows, seed=0):
    return np.random.default_rng(seed).integers(256, size=(rows, 32, 32, 3), dtype=np.uint8)


def cut_network():
    """A network from which a search has taken a whole branch and some channels."""
    graph = ChannelGraph(whole_network(8))
    widths = dict(Architecture(graph, graph.everything()).widths)
    return built(graph, widths | {"block_1_first_conv": 0, "block_2_first_conv": 3})


def with_odd_statistics(model):
    chance = tf.random.Generator.from_seed(1)
    for weight in model.weights:
        weight.assign_add(tf.abs(chance.normal(weight.shape, stddev=0.1)))
    return model


def hashed_weights(model):
    """As `TorchResnet` names those of a hashed network."""
    found = {}
    for weight in model.weights:
        *layer, kind = weight.name.split(":")[0].split("/")
        if kind in ("u", "v", "pool"):
            found[kind] = weight.numpy()
        else:
            name = layer[0].removesuffix("_conv").removesuffix("_norm")
            found[f"{name}/{kind.removeprefix('kernel_')}"] = weight.numpy()
    return found


def test_a_plan_says_shapes_strides_and_places_in_the_pool():
    plan = network_plan(resnet(8, 10, width=4), "dense", 3, sides=(20, 32))
    assert (plan["key"], plan["seed"], plan["blocks"], plan["sides"]) == ("dense", 3, 3, (20, 32))
    assert plan["layers"]["stem"] == {"kernel": [3, 3, 3, 4], "stride": 1}
    assert plan["layers"]["block_2_shortcut"] == {"kernel": [1, 1, 4, 8], "stride": 2}
    assert plan["layers"]["logits"] == {"kernel": [16, 10]}
    assert "pool" not in plan
    hashed = network_plan(network(Trial(STRUCTURED, 0.5, 0), 8, 8), "hashed", 0)
    layers = list(hashed["layers"].values())
    assert hashed["pool"]["kind"] == "product"
    ends = np.cumsum([np.prod(layer["kernel"]) for layer in layers])
    assert [layer["offset"] for layer in layers] == [0, *ends[:-1]]
    assert hashed["pool"]["rows"] * hashed["pool"]["columns"] >= ends[-1]


def test_a_branch_that_is_cut_is_in_no_plan():
    plan = network_plan(cut_network(), "cut", 0)
    assert not any(name.startswith("block_1_") for name in plan["layers"])
    assert plan["layers"]["block_2_first"]["kernel"][-1] == 3


def test_weights_go_out_by_name_and_come_back():
    source, target = with_odd_statistics(resnet(8, 10, width=4)), resnet(8, 10, width=4)
    set_weights_by_name(target, weights_by_name(source))
    assert all(np.array_equal(a, b) for a, b in zip(source.get_weights(), target.get_weights(), strict=True))


def test_a_pool_trained_elsewhere_is_taken_as_it_is(tmp_path, monkeypatch):
    member = cascade_pool.Member(8, 4)
    monkeypatch.setattr(cascade_pool, "POOL", (member,))
    monkeypatch.setattr(cascade_pool, "SELF", cascade_pool.Member(8, 2, sides=(20, 32)))
    cascade_pool.plan_pool(tmp_path, 10)
    plans = json.loads((tmp_path / "networks.json").read_text())["networks"]
    assert [(plan["key"], plan["weights"]) for plan in plans] == [
        ("resnet8_4", "resnet8_4.npz"),
        ("resnet8_2_at_20_32", "resnet8_2_at_20_32.npz"),
    ]
    for plan, width in zip(plans, (4, 2), strict=True):
        np.savez(tmp_path / plan["weights"], **weights_by_name(with_odd_statistics(resnet(8, 10, width=width))))
    (tmp_path / "trained_on.json").write_text(json.dumps({"epochs": 7, "trained_on": "a device"}))
    monkeypatch.setattr(cascade_pool, "trained", lambda *arguments: pytest.fail("trained again"))
    data = Cifar10(tuple("abcdefghij"), *[Images(pixels(1), np.zeros(1, np.int64))] * 3)
    models, epochs = cascade_pool.trained_pool(data, tmp_path, 1)
    assert epochs == 7
    kept = np.load(tmp_path / "resnet8_4.npz")
    assert np.array_equal(models["resnet8_4"].get_layer("stem_conv").get_weights()[0], kept["stem/kernel"])


def test_what_was_trained_here_says_nothing_of_elsewhere(tmp_path):
    assert trained_on(tmp_path) == {}
    assert structure_search._trained_elsewhere(tmp_path, 3, 100) == {}
    require_trained(tmp_path, ["missing"], ())
    (tmp_path / "trained_on.json").write_text(json.dumps({"epochs": 9}))
    assert structure_search._trained_elsewhere(tmp_path, 3, 100) == {
        "search_images": 100,
        "search_epochs": 3,
        "epochs": 9,
    }


def test_what_was_trained_elsewhere_in_part_is_refused_and_not_trained_here(tmp_path, monkeypatch):
    (tmp_path / "trained_on.json").write_text(json.dumps({"epochs": 9}))
    with pytest.raises(DataError, match=r"2 networks are not trained yet \(two, three\)"):
        require_trained(tmp_path, ["one", "two", "three"], {"one"})
    require_trained(tmp_path, ["one"], {"one"})
    monkeypatch.setattr(cascade_pool, "trained", lambda *arguments: pytest.fail("trained here"))
    data = Cifar10(tuple("abcdefghij"), *[Images(pixels(1), np.zeros(1, np.int64))] * 3)
    with pytest.raises(DataError, match="resnet8_8"):
        cascade_pool.trained_pool(data, tmp_path, 1)


@needs_torch
def test_networks_say_the_same_in_pytorch(tmp_path):
    models = {"cut": cut_network(), "dense": resnet(8, 10, width=4)}
    models |= {name: network(Trial(name, 0.25, 0), 8, 8) for name in (STRUCTURED, PLAIN)}
    plans, expected = [], []
    for name, model in models.items():
        with_odd_statistics(model)
        start = f"{name.replace(' ', '_')}.npz"
        weights = hashed_weights(model) if name in (STRUCTURED, PLAIN) else weights_by_name(model)
        np.savez(tmp_path / start, **weights)
        plans.append(network_plan(model, name, 0, start=start))
        expected.append(model(pixels(4).astype(np.float32)).numpy())
    write_plan(tmp_path, plans)
    np.save(tmp_path / "pixels.npy", pixels(4).astype(np.float32))
    subprocess.run([TORCH_PYTHON, "-c", SAY_LOGITS, tmp_path], cwd=ROOT, check=True)
    for place, logits in enumerate(expected):
        np.testing.assert_allclose(np.load(tmp_path / f"said_{place}.npy"), logits, rtol=1e-4, atol=1e-4)


@needs_torch
def test_pytorch_answers_the_graphs_of_a_cascade(tmp_path):
    stages = [CascadeStage(resnet(8, 3, width=2 + 2 * seed, input_shape=(16, 16, 3))) for seed in (0, 1)]
    shown = np.random.default_rng(0).integers(256, size=(3, 16, 16, 3), dtype=np.uint8)
    folder = export_cascade(Cascade(stages, [0.6]), tmp_path, "v1", ("bag", "hat", "shoe"), shown)
    given = ["--provider", "torch", "--budget", "0.01", "--exit-rate", "0.7", "--out", tmp_path / "result.json"]
    command = [TORCH_PYTHON, "-m", "benchmarks.cascades_gpu", "--cascade", folder, *given]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    assert json.loads((tmp_path / "result.json").read_text())["figures"]["golden_difference"] < 1e-5
