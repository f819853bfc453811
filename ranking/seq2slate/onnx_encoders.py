"""The encoders as ONNX nodes: the native LSTM operator, or a transformer of elementary operators."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from onnx import TensorProto

from ranking.onnx_builder import OnnxBuilder
from ranking.seq2slate.encoders import MASKED_SCORE, LstmEncoder, TransformerEncoder, frequencies


def encoder_nodes(graph: OnnxBuilder, encoder: LstmEncoder | TransformerEncoder, items: str) -> tuple[str, str, str]:
    """Add `encoder` over standardised `items` `[batch, list_size, features]` and the graph input `mask`.

    Returns:
        Names of the codes e_i `[batch, list_size, rho]` and of the decoder's first hidden and cell state, each
        `[1, batch, rho]`.
    """
    if isinstance(encoder, LstmEncoder):
        return _lstm(graph, encoder, items)
    return _transformer(graph, encoder, items)


def lstm_constants(graph: OnnxBuilder, keras_weights: list[NDArray], prefix: str) -> tuple[str, str, str]:
    """Constants W, R and B of an LSTM operator: Keras' `[in, 4 rho]` in gate order i, f, c, o becomes ONNX'
    `[1, 4 rho, in]` in gate order i, o, f, c."""

    def reordered(matrix: NDArray) -> NDArray:
        i, f, c, o = np.split(matrix, 4, axis=-1)
        return np.concatenate([i, o, f, c], axis=-1).astype(np.float32)

    kernel, recurrent, bias = (reordered(matrix) for matrix in keras_weights)
    return (
        graph.constant(kernel.T[None], f"{prefix}_weights"),
        graph.constant(recurrent.T[None], f"{prefix}_recurrence"),
        graph.constant(np.concatenate([bias, np.zeros_like(bias)])[None], f"{prefix}_bias"),
    )


def list_positions(graph: OnnxBuilder) -> str:
    """0, 1, ... for the list size of the graph's `mask`, i64 `[list_size]`."""
    return graph.add(
        "Range",
        graph.constant(np.int64(0), "range_start"),
        graph.add("Squeeze", graph.add("Shape", "mask", start=1, end=2), graph.ints(0)),
        graph.constant(np.int64(1), "range_step"),
    )


def _lstm(graph: OnnxBuilder, encoder: LstmEncoder, items: str) -> tuple[str, str, str]:
    lengths = graph.add("ReduceSum", graph.add("Cast", "mask", to=TensorProto.INT32), graph.ints(1), keepdims=0)
    outputs, hidden, cell = graph.add_many(
        "LSTM",
        graph.add("Transpose", items, perm=[1, 0, 2]),
        *lstm_constants(graph, encoder.lstm.get_weights(), "encoder"),
        lengths,
        outputs=3,
        hidden_size=encoder.lstm.units,
    )
    by_batch = graph.add("Squeeze", graph.add("Transpose", outputs, perm=[2, 1, 0, 3]), graph.ints(1))
    return by_batch, hidden, cell


def _transformer(graph: OnnxBuilder, encoder: TransformerEncoder, items: str) -> tuple[str, str, str]:
    codes = _dense(graph, encoder.read_in, items, "read_in")
    if encoder.positions:
        codes = graph.add("Add", codes, _sinusoids(graph, encoder.hidden_size))
    key_mask = graph.add("Unsqueeze", "mask", graph.ints(1, 2))
    for index, block in enumerate(encoder.blocks):
        codes = _attend(graph, block, codes, key_mask, f"block_{index}")
        read = _layer_norm(graph, block.feed_forward_norm, codes, f"block_{index}_feed_forward_norm")
        wide = graph.add("Relu", _dense(graph, block.widen, read, f"block_{index}_widen"))
        codes = graph.add("Add", codes, _dense(graph, block.narrow, wide, f"block_{index}_narrow"))
    codes = _layer_norm(graph, encoder.norm, codes, "encoder_norm")
    present = graph.add("Unsqueeze", graph.add("Cast", "mask", to=TensorProto.FLOAT), graph.ints(2))
    size = graph.add("ReduceSum", present, graph.ints(1), keepdims=0)
    size = graph.add("Max", size, graph.constant(np.float32(1), "one_item"))
    total = graph.add("ReduceSum", graph.add("Mul", codes, present), graph.ints(1), keepdims=0)
    mean = graph.add("Div", total, size)
    hidden = graph.add("Tanh", _dense(graph, encoder.hidden_state, mean, "hidden_state"))
    cell = _dense(graph, encoder.cell_state, mean, "cell_state")
    return codes, graph.add("Unsqueeze", hidden, graph.ints(0)), graph.add("Unsqueeze", cell, graph.ints(0))


def _attend(graph: OnnxBuilder, block: tf.keras.layers.Layer, codes: str, key_mask: str, prefix: str) -> str:
    """Self-attention added to `codes`."""
    read = _layer_norm(graph, block.attention_norm, codes, f"{prefix}_attention_norm")

    def by_head(layer: tf.keras.layers.Dense, name: str, perm: list[int]) -> str:
        # Two zeros copy batch and list_size.
        split = graph.ints(0, 0, block.heads, block.head_size)
        shaped = graph.add("Reshape", _dense(graph, layer, read, f"{prefix}_{name}"), split)
        return graph.add("Transpose", shaped, perm=perm)

    query, key = by_head(block.query, "query", [0, 2, 1, 3]), by_head(block.key, "key", [0, 2, 3, 1])
    root = graph.constant(np.float32(math.sqrt(block.head_size)), "attention_root")
    scores = graph.add("Div", graph.add("MatMul", query, key), root)
    scores = graph.add("Where", key_mask, scores, graph.constant(np.float32(MASKED_SCORE), "masked_score"))
    mixed = graph.add("MatMul", graph.add("Softmax", scores, axis=-1), by_head(block.value, "value", [0, 2, 1, 3]))
    width = graph.ints(0, 0, block.heads * block.head_size)
    joined = graph.add("Reshape", graph.add("Transpose", mixed, perm=[0, 2, 1, 3]), width)
    return graph.add("Add", codes, _dense(graph, block.out, joined, f"{prefix}_out"))


def _dense(graph: OnnxBuilder, layer: tf.keras.layers.Dense, inputs: str, name: str) -> str:
    """`inputs W + b`, without the layer's activation."""
    kernel, bias = layer.get_weights()
    product = graph.add("MatMul", inputs, graph.constant(kernel.astype(np.float32), f"{name}_kernel"))
    return graph.add("Add", product, graph.constant(bias.astype(np.float32), f"{name}_bias"))


def _layer_norm(graph: OnnxBuilder, layer: tf.keras.layers.LayerNormalization, inputs: str, name: str) -> str:
    gain, bias = layer.get_weights()
    centred = graph.add("Sub", inputs, graph.add("ReduceMean", inputs, axes=[-1]))
    variance = graph.add("ReduceMean", graph.add("Mul", centred, centred), axes=[-1])
    epsilon = graph.constant(np.float32(layer.epsilon), "norm_epsilon")
    normal = graph.add("Div", centred, graph.add("Sqrt", graph.add("Add", variance, epsilon)))
    scaled = graph.add("Mul", normal, graph.constant(gain.astype(np.float32), f"{name}_gain"))
    return graph.add("Add", scaled, graph.constant(bias.astype(np.float32), f"{name}_bias"))


def _sinusoids(graph: OnnxBuilder, width: int) -> str:
    """`encoders.sinusoids` for the list size of the graph's `mask`, `[list_size, width]`."""
    ranks = graph.add("Cast", list_positions(graph), to=TensorProto.FLOAT)
    waves = graph.constant(np.array(frequencies(width), np.float32), "position_frequencies")
    angles = graph.add("Mul", graph.add("Unsqueeze", ranks, graph.ints(1)), waves)
    codes = graph.add("Concat", graph.add("Sin", angles), graph.add("Cos", angles), axis=1)
    return graph.add("Slice", codes, graph.ints(0), graph.ints(width), graph.ints(1))
