"""Keras layers of which kernel, and bias where wanted, are slices of a pool that other layers share."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Literal

import tensorflow as tf

from seriatim_errors import DataError
from vision_components.multi_hashing.slices import WeightPool

Scale = Literal["learnable", "fixed"]


class _Generated:
    """An attribute that is the layer's variable where it has one, and computed from the pool where not."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def __get__(self, layer: Any, owner: type) -> Any:
        if layer is None:
            return self
        if self._kind in layer._generated:
            return tf.cast(layer.generated(self._kind), layer.compute_dtype)
        return layer.__dict__.get(f"_plain_{self._kind}")

    def __set__(self, layer: Any, value: Any) -> None:
        layer.__dict__[f"_plain_{self._kind}"] = value


class _Hashed:
    """What makes a Keras layer a hashed one: weights that are computed where the plain layer has variables.

    A hashed weight is `s g w`: the slice w of the pool, the initial scale s of the layer, and, where scales are
    learnable, the variable g, 1 at first (section 3.3). The pool comes first among the arguments.
    """

    def __init__(
        self,
        pool: WeightPool,
        *arguments: Any,
        scale: Scale = "learnable",
        hashed: Sequence[str] = ("kernel",),
        offsets: dict[str, int] | None = None,
        **settings: Any,
    ) -> None:
        if scale not in ("learnable", "fixed"):
            raise DataError(f"scale {scale!r}; give learnable or fixed")
        # Set before Keras' own constructor, which ends with attributes of its own being tracked.
        self._generated: dict[str, tuple[tuple[int, ...], tf.Variable | None]] = {}
        super().__init__(*arguments, **settings)
        self.pool, self.scale, self.hashed = pool, scale, tuple(hashed)
        self.offsets = dict(offsets or {})

    def add_weight(self, name: str | None = None, shape: Any = None, **settings: Any) -> Any:
        """A variable, or for a hashed weight a place in the pool."""
        kind = "kernel" if name is not None and name.endswith("kernel") else name
        if kind not in self.hashed:
            return super().add_weight(name=name, shape=shape, **settings)  # type: ignore[misc]
        sizes = tuple(int(size) for size in shape)
        if kind not in self.offsets:
            self.offsets[kind] = self.pool.take(math.prod(sizes), self.name)  # type: ignore[attr-defined]
        factor = None
        if self.scale == "learnable":
            # Not cast in mixed precision: the weight is made in float32.
            factor = super().add_weight(  # type: ignore[misc]
                name=f"{kind}_scale", shape=(), initializer="ones", experimental_autocast=False
            )
        self._generated[kind] = sizes, factor
        return None

    def generated(self, kind: str) -> tf.Tensor:
        """The weight, float32."""
        sizes, factor = self._generated[kind]
        weight = self.pool.weights_at(self.offsets[kind], math.prod(sizes)) * self.initial_scale()
        return tf.reshape(weight if factor is None else weight * factor, sizes)

    @abstractmethod
    def initial_scale(self) -> float:
        """s: as for an initialisation by the fan-out of the kernel; a bias has its kernel's."""

    def plain_config(self) -> dict[str, Any]:
        """Configuration of the plain layer."""
        return super().get_config()  # type: ignore[misc]

    def get_config(self) -> dict[str, Any]:
        """The plain layer's, the pool, and the places in it."""
        own = {"scale": self.scale, "hashed": list(self.hashed), "offsets": dict(self.offsets)}
        # Keras marks an object as shared from the second time on that it is described, so describe it twice.
        _, pool = (tf.keras.saving.serialize_keras_object(self.pool) for _ in range(2))
        return {**self.plain_config(), **own, "pool": pool}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The layer that `get_config` described; its pool is that of the other layers of the same model.

        Raises:
            DataError: the description was not made by `Model.save`, which alone keeps what is shared together.
        """
        pool = config["pool"]
        if not isinstance(pool, WeightPool):
            if "shared_object_id" not in pool:
                raise DataError(
                    f"hashed layer {config.get('name')!r} is described alone, without the pool that it shares; "
                    "use Model.save to a .keras file and load_model, or materialize the model first"
                )
            pool = tf.keras.saving.deserialize_keras_object(pool)
        return cls(**{**config, "pool": pool})


@tf.keras.saving.register_keras_serializable("seriatim")
class HashedConv2D(_Hashed, tf.keras.layers.Conv2D):
    """`Conv2D(pool, filters, kernel_size, ...)` of which the kernel is a slice of the pool."""

    kernel, bias = _Generated("kernel"), _Generated("bias")

    def initial_scale(self) -> float:
        """`sqrt(2 / (height width filters))`."""
        return math.sqrt(2 / (math.prod(self.kernel_size) * self.filters))


@tf.keras.saving.register_keras_serializable("seriatim")
class HashedDepthwiseConv2D(_Hashed, tf.keras.layers.DepthwiseConv2D):
    """`DepthwiseConv2D(pool, kernel_size, ...)` of which the kernel is a slice of the pool."""

    depthwise_kernel, bias = _Generated("kernel"), _Generated("bias")

    def initial_scale(self) -> float:
        """`sqrt(2 / (height width multiplier))`: every input channel has outputs of its own."""
        return math.sqrt(2 / (math.prod(self.kernel_size) * self.depth_multiplier))


@tf.keras.saving.register_keras_serializable("seriatim")
class HashedDense(_Hashed, tf.keras.layers.Dense):
    """`Dense(pool, units, ...)` of which the kernel is a slice of the pool."""

    kernel, bias = _Generated("kernel"), _Generated("bias")

    def initial_scale(self) -> float:
        """`1 / sqrt(units)`."""
        return 1 / math.sqrt(self.units)
