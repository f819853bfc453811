"""Models of which the weights are hashed, and back."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from seriatim_errors import DataError
from vision_components.multi_hashing.hashed_layers import (
    HashedConv2D,
    HashedDense,
    HashedDepthwiseConv2D,
    Scale,
)
from vision_components.multi_hashing.plain_pool import PlainHashPool
from vision_components.multi_hashing.pool import Distribution, HashPool
from vision_components.multi_hashing.slices import WeightPool

HASHED = {
    tf.keras.layers.Conv2D: HashedConv2D,
    tf.keras.layers.DepthwiseConv2D: HashedDepthwiseConv2D,
    tf.keras.layers.Dense: HashedDense,
}
PLAIN = {hashed: plain for plain, hashed in HASHED.items()}


def hash_model(
    model: tf.keras.Model,
    fraction: float | None = None,
    budget: int | None = None,
    include: Sequence[str] = ("kernel",),
    exclude: Sequence[str] = (),
    scale: Scale = "learnable",
    distribution: Distribution = "normal",
    plain_hashes: int | None = None,
    seed: int = 0,
) -> tf.keras.Model:
    """A fresh model of the same architecture whose convolutions and dense layers share one pool of variables.

    It is to be trained from scratch: trained weights do not fit into a pool (a tenth of the size keeps about a third of
    their energy). Batch normalisation is never hashed, nor are layers of other kinds. Without fraction and budget it is
    an unhashed copy with the original's weights: what hashing is compared with.

    Args:
        model: functional or sequential, built; nested models are hashed with it.
        fraction: of the hashed weights, which the pool may have as variables; give this, a budget, or neither.
        budget: of the pool's variables.
        include: `kernel`, and `bias` for the biases of the hashed layers too.
        exclude: names of layers that keep their own weights.
        scale: a learnable or a fixed factor for every hashed weight.
        distribution: of the pool's variables.
        plain_hashes: use plain hashing, by so many hashes, instead of products of matrices.
        seed: of the pool.

    Raises:
        DataError: both fraction and budget are given, a name in `exclude` is of no layer, nothing is
            left to hash, or the budget is too small for one hash.
    """
    if fraction is not None and budget is not None:
        raise DataError(f"fraction {fraction} and budget {budget}; give one of the two")
    wrong = set(include) - {"kernel", "bias"}
    if wrong or not include:
        raise DataError(f"include {list(include)}; give 'kernel', 'bias' or both")
    layers = list(_layers(model))
    unknown = set(exclude) - {layer.name for layer in layers}
    if unknown:
        raise DataError(f"exclude names {sorted(unknown)}, which are no layers of {model.name}")
    if fraction is None and budget is None:
        copy = tf.keras.models.clone_model(model)
        copy.set_weights(model.get_weights())
        return copy
    chosen = [layer for layer in layers if type(layer) in HASHED and layer.name not in exclude]
    total = sum(math.prod(weight.shape) for layer in chosen for weight in _weights(layer, include))
    if not total:
        raise DataError(f"{model.name} has no weights to hash; leave out fewer layers")
    size = int(total * fraction) if fraction is not None else int(budget or 0)
    pool: WeightPool
    if plain_hashes is None:
        pool = HashPool(total, size, distribution, seed, name="hash_pool")
    else:
        pool = PlainHashPool(total, size, plain_hashes, seed, name="hash_pool")
    names = {layer.name for layer in chosen}

    def hashed(layer: tf.keras.layers.Layer) -> tf.keras.layers.Layer:
        if layer.name not in names or type(layer) not in HASHED:
            return layer.__class__.from_config(layer.get_config())
        settings = {**layer.get_config(), "pool": pool, "scale": scale, "hashed": tuple(include)}
        # Places are given in the order of the model's layers, whatever order they are built in.
        settings["offsets"] = {
            _kind(weight): pool.take(math.prod(weight.shape), layer.name) for weight in _weights(layer, include)
        }
        return HASHED[type(layer)].from_config(settings)

    return _cloned(model, hashed)


def materialize(model: tf.keras.Model) -> tf.keras.Model:
    """A plain Keras model with the same answers: every hashed weight is computed once and kept.

    It has the full size and no trace of the pool; export and serve this one.
    """

    def plain(layer: tf.keras.layers.Layer) -> tf.keras.layers.Layer:
        kind = PLAIN.get(type(layer))
        if kind is None:
            return layer.__class__.from_config(layer.get_config())
        return kind.from_config(layer.plain_config())

    copy = _cloned(model, plain)
    for source, target in zip(_layers(model), _layers(copy), strict=True):
        if type(source) in PLAIN:
            kernel = source.generated("kernel") if "kernel" in source.hashed else _kernel(source)
            bias = [] if not source.use_bias else [source.generated("bias") if "bias" in source.hashed else source.bias]
            target.set_weights([tf.cast(one, tf.float32).numpy() for one in (kernel, *bias)])
        else:
            target.set_weights(source.get_weights())
    return copy


def is_hashed(model: tf.keras.Model) -> bool:
    """Whether any layer takes its weights from a pool."""
    return any(type(layer) in PLAIN for layer in _layers(model))


def pool_of(model: tf.keras.Model) -> WeightPool:
    """The pool that a model's hashed layers share.

    Raises:
        DataError: no layer is hashed, or they do not share one.
    """
    pools = {id(layer.pool): layer.pool for layer in _layers(model) if type(layer) in PLAIN}
    if len(pools) != 1:
        raise DataError(f"{model.name} has {len(pools)} pools; give a model that hash_model made")
    return next(iter(pools.values()))


def _cloned(model: tf.keras.Model, change: Callable[[tf.keras.layers.Layer], tf.keras.layers.Layer]) -> tf.keras.Model:
    """A copy with every layer, those of nested models too, replaced by what `change` makes of it."""

    def clone(layer: tf.keras.layers.Layer) -> tf.keras.layers.Layer:
        return _cloned(layer, change) if isinstance(layer, tf.keras.Model) else change(layer)

    return tf.keras.models.clone_model(model, clone_function=clone)


def _layers(model: tf.keras.Model) -> Iterator[tf.keras.layers.Layer]:
    for layer in model.layers:
        if isinstance(layer, tf.keras.Model):
            yield from _layers(layer)
        else:
            yield layer


def _weights(layer: tf.keras.layers.Layer, include: Sequence[str]) -> list[Any]:
    found = [_kernel(layer)] if "kernel" in include else []
    return [*found, layer.bias] if "bias" in include and layer.use_bias else found


def _kernel(layer: tf.keras.layers.Layer) -> Any:
    return layer.depthwise_kernel if isinstance(layer, tf.keras.layers.DepthwiseConv2D) else layer.kernel


def _kind(weight: tf.Variable) -> str:
    return "bias" if weight.name.split("/")[-1].startswith("bias") else "kernel"
