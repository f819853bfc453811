"""Residual networks of Keras as plain data, for a machine that has PyTorch and no TensorFlow, and their weights back.

The file `networks.json` lists networks by the keys of the benchmark that wrote it: shapes and strides of all
convolutions, where a hashed kernel lies in the pool, and what the result is to say beside the accuracy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from seriatim_errors import DataError
from vision_components.multi_hashing import HashPool, pool_of
from vision_components.multi_hashing.models import is_hashed

FILE, TRAINED_ON = "networks.json", "trained_on.json"
PLAN = (
    "--plan",
    {"action": "store_true", "help": "describe the networks in the work folder for benchmarks.torch_training and end"},
)


def network_plan(model: tf.keras.Model, key: str, seed: int, **settings: Any) -> dict[str, Any]:
    """A residual network described.

    Args:
        model: of `resnet`'s layers and names, whole or cut by a search, dense or hashed.
        key: that its result is kept under.
        seed: of its weights and batches.
        settings: for `benchmarks.torch_training`: `rates`, a list of `peak_rate` and `pool_rate` to choose from;
            `like`, the key of a network whose choice this one shares; `sides` that images are resized to; files of
            weights to `start` with and of `weights` to keep; and what the result is to say `about` it.
    """
    layers = {layer.name.removesuffix("_conv"): _described(layer) for layer in model.layers if _is_kernel(layer)}
    blocks = [int(found[1]) for name in layers if (found := re.match(r"block_(\d+)_", name))]
    plan = {"key": key, "seed": seed, "blocks": max(blocks, default=0), "layers": layers, **settings}
    return plan | ({"pool": _pool(model)} if is_hashed(model) else {})


def write_plan(folder: Path, networks: Sequence[Mapping[str, Any]]) -> None:
    """Write the file."""
    (folder / FILE).write_text(json.dumps({"networks": networks}) + "\n", encoding="utf-8")
    print(f"{folder / FILE}: {len(networks)} networks for benchmarks.torch_training", flush=True)


def require_trained(folder: Path, keys: Iterable[str], there: Container[str]) -> None:
    """Refuse to go on with a folder whose networks were trained elsewhere, but not all of them.

    What is missing would otherwise be trained here, and be reported as if it had been trained there.

    Raises:
        DataError: some are missing; the message names them and the way out.
    """
    missing = [key for key in keys if key not in there]
    if trained_on(folder) and missing:
        raise DataError(
            f"{folder}: {len(missing)} networks are not trained yet ({', '.join(missing[:3])}); run "
            "benchmarks.torch_training on it again, which goes on where it ended"
        )


def trained_on(folder: Path) -> dict[str, Any]:
    """What the folder says of where its results were trained; nothing where they were trained by the benchmark."""
    path = folder / TRAINED_ON
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def weights_by_name(model: tf.keras.Model) -> dict[str, np.ndarray]:
    """Weights of a dense network as `benchmarks.torch_resnet` names them."""
    return {_name(weight): weight.numpy() for weight in model.weights}


def set_weights_by_name(model: tf.keras.Model, weights: Mapping[str, np.ndarray]) -> None:
    """Give a dense network the weights of `TorchResnet.weights`."""
    model.set_weights([weights[_name(weight)] for weight in model.weights])


def _name(weight: tf.Variable) -> str:
    layer, kind = weight.name.split(":")[0].split("/")
    return f"{re.sub('_(conv|norm)$', '', layer)}/{kind}"


def _is_kernel(layer: tf.keras.layers.Layer) -> bool:
    return isinstance(layer, tf.keras.layers.Conv2D | tf.keras.layers.Dense)


def _described(layer: tf.keras.layers.Layer) -> dict[str, Any]:
    described: dict[str, Any] = {"kernel": [int(size) for size in layer.kernel.shape]}
    if isinstance(layer, tf.keras.layers.Conv2D):
        described["stride"] = int(layer.strides[0])
    if hasattr(layer, "offsets"):
        described |= {"offset": layer.offsets["kernel"], "scale": layer.initial_scale()}
    return described


def _pool(model: tf.keras.Model) -> dict[str, Any]:
    pool = pool_of(model)
    if isinstance(pool, HashPool):
        shape = pool.shape
        return {"kind": "product", "rows": shape.rows, "columns": shape.columns, "hashes": shape.hashes}
    size = pool.budget // pool.hashes
    return {"kind": "plain", "size": size, "hashes": pool.hashes, "seed": pool.seed, "weights": pool.num_weights}
