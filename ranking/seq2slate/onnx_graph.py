"""The pointer network as an ONNX graph: the native LSTM operator, then the decoder unrolled to k steps."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper

from ranking.onnx_builder import OnnxBuilder, TensorSpec
from ranking.seq2slate.model import MASKED_LOGIT, Seq2Slate
from ranking.seq2slate.onnx_encoders import encoder_nodes, list_positions, lstm_constants
from ranking.seq2slate.onnx_nearness import OnnxNearness
from ranking.seq2slate.starting_logits import FASTER
from ranking.standardisation import Standardisation


def build_onnx(model: Seq2Slate, standardisation: Standardisation, steps: int) -> onnx.ModelProto:
    """The model with its standardisation as a graph over raw features.

    Inputs: `features` f32 `[batch, list_size, features]` in base order, `mask` bool `[batch, list_size]`,
    `noise` f32 `[batch, steps, list_size]` (Gumbel noise; zeros for the greedy slate), `temperature` f32.
    Outputs: `order` i64 `[batch, steps]` (-1 when exhausted), `log_probabilities` f32 `[batch, steps]` of the
    chosen items at that temperature (0 when exhausted), `first_logits` f32 `[batch, list_size]`.

    The network is written out here rather than traced: an LSTM encoder becomes one LSTM operator, which a
    traced `while` loop does not, and padding ends a list exactly through its sequence lengths.
    """
    graph = OnnxBuilder()
    items = graph.standardised("features", standardisation)
    masked = graph.constant(np.float32(MASKED_LOGIT), "masked_logit")
    zero = graph.constant(np.float32(0), "zero")
    codes, hidden, cell = encoder_nodes(graph, model.encoder, items)
    projected = graph.add(
        "MatMul", codes, graph.constant(model.encoder_projection.get_weights()[0], "encoder_projection")
    )
    go = graph.constant(model.first_input.numpy()[None, None, :].astype(np.float32), "go")
    batch = graph.add("Shape", "mask", start=0, end=1)
    inputs = graph.add("Expand", go, graph.add("Concat", batch, graph.ints(1, 1), axis=0))
    decoder = lstm_constants(graph, model.decoder.get_weights(), "decoder")
    projection = graph.constant(model.decoder_projection.get_weights()[0], "decoder_projection")
    attention = graph.constant(model.attention.numpy()[:, None], "attention")
    positions = list_positions(graph)
    remaining, orders, chosen_log_probabilities, first_logits = "mask", [], [], ""
    nearness = OnnxNearness(graph, model, items) if model.nearness.levels else None
    by_rank = _logits_by_rank(graph, model, positions)
    for step in range(steps):
        # The LSTM operator wants [time, batch, features]; one step has time 1, and batch comes first here.
        time_first = graph.add("Transpose", inputs, perm=[1, 0, 2])
        _, hidden, cell = graph.add_many(
            "LSTM", time_first, *decoder, "", hidden, cell, outputs=3, hidden_size=model.hidden_size
        )
        pointed = graph.add("MatMul", graph.add("Transpose", hidden, perm=[1, 0, 2]), projection)
        hidden_units = graph.add("Add", projected, pointed)
        if nearness is not None and step > 0:
            hidden_units = graph.add("Add", hidden_units, nearness.projected())
        logits = graph.add("Squeeze", graph.add("MatMul", graph.add("Tanh", hidden_units), attention), graph.ints(2))
        if by_rank:
            logits = graph.add("Add", logits, by_rank)
            if nearness is not None and step > 0:
                logits = graph.add("Add", logits, nearness.direct())
        logits = graph.add("Where", remaining, logits, masked)
        if step == 0:
            first_logits = graph.add("Identity", logits)
        tempered = graph.add("Where", remaining, graph.add("Div", logits, "temperature"), masked)
        noise = graph.add("Gather", "noise", graph.constant(np.int64(step), f"step_{step}"), axis=1)
        perturbed = graph.add("Where", remaining, graph.add("Add", tempered, noise), masked)
        choice = graph.add("ArgMax", perturbed, axis=1, keepdims=1)
        chosen_here = graph.add("Equal", positions, choice)
        chosen_float = graph.add("Cast", chosen_here, to=TensorProto.FLOAT)
        log_p = graph.add("LogSoftmax", tempered, axis=1)
        log_p = graph.add("ReduceSum", graph.add("Where", chosen_here, log_p, zero), graph.ints(1), keepdims=1)
        remaining_int = graph.add("Cast", remaining, to=TensorProto.INT64)
        available = graph.add("Cast", graph.add("ReduceMax", remaining_int, axes=[1], keepdims=1), to=TensorProto.BOOL)
        orders.append(graph.add("Where", available, choice, graph.constant(np.int64(-1), "exhausted")))
        chosen_log_probabilities.append(graph.add("Where", available, log_p, zero))
        selector = graph.add("Unsqueeze", chosen_float, graph.ints(1))
        inputs = graph.add("MatMul", selector, items)
        if nearness is not None:
            nearness.place(selector)
        remaining = graph.add("And", remaining, graph.add("Not", chosen_here))
    for name, parts in (("order", orders), ("log_probabilities", chosen_log_probabilities)):
        graph.nodes.append(helper.make_node("Concat", parts, [name], axis=1))
    graph.nodes.append(helper.make_node("Identity", [first_logits], ["first_logits"]))
    return _as_model(graph, model.feature_count, steps)


def _logits_by_rank(graph: OnnxBuilder, model: Seq2Slate, positions: str) -> str:
    """`StartingLogits.by_rank` as nodes, f32 `[list_size]`; empty for a model without them."""
    if model.starting_logits is None:
        return ""
    weight = graph.constant(np.float32(-FASTER * model.starting_logits.order.numpy()), "order_weight")
    rank = graph.add("Add", positions, graph.constant(np.int64(1), "first_rank"))
    return graph.add("Mul", graph.add("Log", graph.add("Cast", rank, to=TensorProto.FLOAT)), weight)


def _as_model(graph: OnnxBuilder, feature_count: int, steps: int) -> onnx.ModelProto:
    inputs: list[TensorSpec] = [
        ("features", TensorProto.FLOAT, ["batch", "list_size", feature_count]),
        ("mask", TensorProto.BOOL, ["batch", "list_size"]),
        ("noise", TensorProto.FLOAT, ["batch", steps, "list_size"]),
        ("temperature", TensorProto.FLOAT, []),
    ]
    outputs: list[TensorSpec] = [
        ("order", TensorProto.INT64, ["batch", steps]),
        ("log_probabilities", TensorProto.FLOAT, ["batch", steps]),
        ("first_logits", TensorProto.FLOAT, ["batch", "list_size"]),
    ]
    return graph.model("seq2slate", inputs, outputs)
