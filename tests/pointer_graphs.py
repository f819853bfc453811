"""Pointer networks written by hand as graphs, whose logits are a formula."""

import numpy as np
from onnx import TensorProto

from ranking.onnx_builder import OnnxBuilder

# Of `planted_pointer`: one context feature, then the items'.
PLANTED = ("hour", "quality", "wants", "gives", "follows", "leads")


def pointer_graph(path, width, steps, logits_of):
    """Write a graph with a re-ranker's inputs and outputs.

    Args:
        path: to write to.
        width: features of an item.
        steps: places of a slate.
        logits_of: from the builder and the name of `placed`, float `[batch, list_size]`, 1 where an item is placed, to
            the name of the step's logits `[batch, list_size]`.
    """
    graph = OnnxBuilder()
    masked = graph.constant(np.float32(-1e9), "masked")
    positions = graph.add(
        "Range",
        graph.constant(np.int64(0), "zero"),
        graph.add("Squeeze", graph.add("Shape", "mask", start=1, end=2), graph.ints(0)),
        graph.constant(np.int64(1), "one"),
    )
    remaining, orders, logs, first = "mask", [], [], ""
    for step in range(steps):
        placed = graph.add("Cast", graph.add("Xor", "mask", remaining), to=TensorProto.FLOAT)
        logits = logits_of(graph, placed)
        first = first or logits
        left = graph.add("Where", remaining, graph.add("Div", logits, "temperature"), masked)
        noise = graph.add("Gather", "noise", graph.constant(np.int64(step), f"step_{step}"), axis=1)
        noisy = graph.add("Where", remaining, graph.add("Add", left, noise), masked)
        choice = graph.add("ArgMax", noisy, axis=1, keepdims=1)
        here = graph.add("Equal", positions, choice)
        chosen = graph.add("GatherElements", graph.add("LogSoftmax", left, axis=1), choice, axis=1)
        count = graph.add("ReduceSum", graph.add("Cast", remaining, to=TensorProto.INT64), graph.ints(1), keepdims=1)
        available = graph.add("Greater", count, graph.ints(0))
        orders.append(graph.add("Where", available, choice, graph.constant(np.int64(-1), "exhausted")))
        logs.append(graph.add("Where", available, chosen, graph.constant(np.float32(0), "nothing")))
        remaining = graph.add("And", remaining, graph.add("Not", here))
    graph.rename(graph.add("Concat", *orders, axis=1), "order")
    graph.rename(graph.add("Concat", *logs, axis=1), "log_probabilities")
    graph.rename(graph.add("Where", "mask", first, masked), "first_logits")
    inputs = [
        ("features", TensorProto.FLOAT, ["batch", "list_size", width]),
        ("mask", TensorProto.BOOL, ["batch", "list_size"]),
        ("noise", TensorProto.FLOAT, ["batch", steps, "list_size"]),
        ("temperature", TensorProto.FLOAT, []),
    ]
    outputs = [
        ("order", TensorProto.INT64, ["batch", steps]),
        ("log_probabilities", TensorProto.FLOAT, ["batch", steps]),
        ("first_logits", TensorProto.FLOAT, ["batch", "list_size"]),
    ]
    path.write_bytes(graph.model("seq2slate", inputs, outputs).SerializeToString())
    return path


def column(graph, place, width):
    """A column of the features, `[batch, list_size]`."""
    weights = graph.constant(np.eye(width, dtype=np.float32)[:, place : place + 1], f"column_{place}")
    return graph.add("Squeeze", graph.add("MatMul", "features", weights), graph.ints(2))


def planted_pointer(path, steps=4):
    """The network whose logits `planted_logits` has."""

    def logits_of(graph, placed):
        hour, quality, wants, gives, follows, leads = (column(graph, place, len(PLANTED)) for place in range(6))
        there = graph.add("Cast", "mask", to=TensorProto.FLOAT)
        logits = graph.add("Mul", quality, graph.add("Add", hour, graph.constant(np.float32(1), "one_more")))
        for wanting, giving, which in ((wants, gives, there), (follows, leads, placed)):
            total = graph.add("ReduceSum", graph.add("Mul", giving, which), graph.ints(1), keepdims=1)
            logits = graph.add("Add", logits, graph.add("Mul", wanting, total))
        return logits

    return pointer_graph(path, len(PLANTED), steps, logits_of)


def planted_logits(features, placed):
    """`quality (1 + hour) + wants * (all gives) + follows * (leads of what is placed)`, float64 `[list_size]`."""
    hour, quality, wants, gives, follows, leads = np.asarray(features, np.float64).T
    return quality * (1 + hour) + wants * gives.sum() + follows * leads[list(placed)].sum()
