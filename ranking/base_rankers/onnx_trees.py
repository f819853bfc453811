"""LightGBM trees as an ONNX graph: on one thread about twice as fast as LightGBM itself for a request's candidates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper

from ranking.onnx_builder import IR_VERSION, OPSET
from seriatim_errors import TrainingError

if TYPE_CHECKING:
    import lightgbm

TREES_OPSET = 3
# LightGBM takes values no further from 0 than this for 0, and puts a threshold there that parts 0 from what is beyond.
ZERO = np.float32(1e-35)
LARGEST = np.finfo(np.float32).max
PARITY_ROWS, PARITY_TOLERANCE = 512, 1e-4


def export_trees_onnx(model_text: str, path: Path) -> None:
    """Write the graph of `trees_to_onnx` to `path` after checking that it scores as the text model does.

    The rows compared are made of the trees' own thresholds and their neighbours in float32: where a wrong branch shows.

    Raises:
        TrainingError: the model cannot be converted, or a score differs by more than 1e-4 of the scores' size.
    """
    import lightgbm

    model = lightgbm.Booster(model_str=model_text)
    proto = trees_to_onnx(model)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    rows = _rows_at_thresholds(proto, model.num_feature())
    expected = model.predict(rows, num_threads=1)
    found = session.run(["scores"], {"features": rows})[0]
    difference = np.abs(found - expected).max() / max(1.0, np.abs(expected).max())
    if not difference <= PARITY_TOLERANCE:
        raise TrainingError(f"base ranker export: the graph's scores differ from the model's by {difference:.1e}")
    path.write_bytes(proto.SerializeToString())


def trees_to_onnx(model: lightgbm.Booster) -> onnx.ModelProto:
    """The graph `features` float32 `[items, features]` -> `scores` float32 `[items]`: raw scores, as `predict` gives.

    Every item takes the branches that LightGBM takes: a threshold, which LightGBM keeps in double precision, is rounded
    down to float32, and a float32 value is at most the one exactly when it is at most the other. Values within 1e-35 of
    0 count as 0, as there. The leaves' values are added in float32. Values must be finite: what LightGBM does with
    missing ones is not in the graph.

    Raises:
        TrainingError: the model splits on categories, has several outputs or averages its trees.
    """
    described = model.dump_model()
    if described["num_tree_per_iteration"] != 1 or described["average_output"]:
        raise TrainingError("base ranker: the model has several outputs or averages its trees; train it with boosting")
    nodes = [node for tree in described["tree_info"] for node in _nodes(tree["tree_index"], tree["tree_structure"])]
    if any(node["decision_type"] not in ("<=", "leaf") for node in nodes):
        raise TrainingError("base ranker: a tree splits on categories; give numeric features")
    leaves = [node for node in nodes if node["decision_type"] == "leaf"]
    ensemble = helper.make_node(
        "TreeEnsembleRegressor",
        ["features"],
        ["columns"],
        domain="ai.onnx.ml",
        n_targets=1,
        aggregate_function="SUM",
        post_transform="NONE",
        nodes_treeids=[node["tree"] for node in nodes],
        nodes_nodeids=[node["index"] for node in nodes],
        nodes_modes=["LEAF" if node["decision_type"] == "leaf" else "BRANCH_LEQ" for node in nodes],
        nodes_featureids=[node.get("split_feature", 0) for node in nodes],
        nodes_values=branch_thresholds([node.get("threshold", 0.0) for node in nodes]),
        nodes_truenodeids=[node.get("left", 0) for node in nodes],
        nodes_falsenodeids=[node.get("right", 0) for node in nodes],
        nodes_missing_value_tracks_true=[0] * len(nodes),
        nodes_hitrates=[1.0] * len(nodes),
        target_treeids=[node["tree"] for node in leaves],
        target_nodeids=[node["index"] for node in leaves],
        target_ids=[0] * len(leaves),
        target_weights=[node["leaf_value"] for node in leaves],
    )
    flat = helper.make_node("Reshape", ["columns", "one_axis"], ["scores"])
    graph = helper.make_graph(
        [ensemble, flat],
        "base_ranker",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["items", model.num_feature()])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["items"])],
        [helper.make_tensor("one_axis", TensorProto.INT64, [1], [-1])],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", TREES_OPSET)]
    proto = helper.make_model(graph, opset_imports=opsets)
    proto.ir_version = IR_VERSION
    onnx.checker.check_model(proto)
    return proto


def branch_thresholds(thresholds: list[float]) -> NDArray[np.float32]:
    """Float32 thresholds at which `<=` parts float32 values as LightGBM does, to which what is within 1e-35 is 0."""
    rounded = rounded_down(thresholds)
    below_zero, from_zero = (rounded >= -ZERO) & (rounded < 0), (rounded >= 0) & (rounded < ZERO)
    rounded = np.where(below_zero, np.nextafter(-ZERO, np.float32(-np.inf)), rounded)
    return np.where(from_zero, ZERO, rounded)


def rounded_down(thresholds: list[float]) -> NDArray[np.float32]:
    """The largest float32 numbers that are not above `thresholds`; -inf below all finite ones."""
    exact = np.asarray(thresholds, np.float64)
    near = np.clip(exact, -LARGEST, LARGEST).astype(np.float32)
    with np.errstate(over="ignore"):
        return np.where(near > exact, np.nextafter(near, np.float32(-np.inf)), near)


def _rows_at_thresholds(proto: onnx.ModelProto, features: int) -> NDArray[np.float32]:
    given = {attribute.name: helper.get_attribute_value(attribute) for attribute in proto.graph.node[0].attribute}
    branches = np.array([mode == b"BRANCH_LEQ" for mode in given["nodes_modes"]])
    split_on = np.array(given["nodes_featureids"])[branches]
    thresholds = np.array(given["nodes_values"], np.float32)[branches]
    rng = np.random.default_rng(0)
    rows = np.zeros((PARITY_ROWS, features), np.float32)
    for column in np.unique(split_on):
        near = thresholds[split_on == column]
        drawn = rng.choice(np.concatenate([near, np.nextafter(near, np.float32(np.inf))]), PARITY_ROWS)
        rows[:, column] = np.clip(drawn, -LARGEST, LARGEST)
    return rows


def _nodes(tree: int, root: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The tree's nodes with numbers and those of their children; without recursion, for trees may be deep."""
    waiting, count = [(0, root)], 1
    while waiting:
        index, node = waiting.pop()
        if "leaf_value" in node:
            yield {"tree": tree, "index": index, "decision_type": "leaf", "leaf_value": node["leaf_value"]}
            continue
        left, right = count, count + 1
        count += 2
        waiting += [(left, node["left_child"]), (right, node["right_child"])]
        yield {
            "tree": tree,
            "index": index,
            "decision_type": node["decision_type"],
            "split_feature": node["split_feature"],
            "threshold": float(node["threshold"]) if node["decision_type"] == "<=" else 0.0,
            "left": left,
            "right": right,
        }
