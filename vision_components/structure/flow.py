"""What a rule says about one call of a layer: which channels it returns, and where they lie in its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

# One number a channel, in the order of a tensor's last axis; equal numbers are one channel.
Channels = NDArray[np.int64]
Sizes = Callable[[Channels], int]


@dataclass(frozen=True)
class Macs:
    """Multiply-adds of a call: `taps` times positions of the grid times counts of channels.

    Attributes:
        taps: of the kernel, such as 9 for 3x3.
        left, right: channels of which the counts are multiplied; `right` is None where each channel is alone.
        grid: whether each position of the `output` or of the `input` costs.
    """

    taps: int
    left: Channels
    right: Channels | None = None
    grid: Literal["input", "output"] = "output"


@dataclass(frozen=True)
class Flow:
    """Channels through one call of a layer.

    Attributes:
        outputs: channels of each tensor that it returns.
        weights: of each weight by its name (`kernel`) the channels along an axis by the axis' number; those not named
            stay whole.
        sizes: entries of the layer's configuration that hold a number of channels.
        edit: what else must change in the configuration, given how many of some channels are kept.
        macs: what it costs.
        keeps_zero: a channel that is zero everywhere comes out zero everywhere; calls of several outputs that do not
            must pin them, for no mask stands behind them.
        per_channel: each channel of the one output comes from the same channel of the one input alone.
        join: how it takes several tensors: a `sum` can do without one that is zero, a `concat` without one of no
            channels, others need all.
    """

    outputs: tuple[Channels, ...]
    weights: Mapping[str, Mapping[int, Channels]] = field(default_factory=dict)
    sizes: Mapping[str, Channels] = field(default_factory=dict)
    edit: Callable[[dict[str, Any], Sizes], dict[str, Any]] | None = None
    macs: tuple[Macs, ...] = ()
    keeps_zero: bool = False
    per_channel: bool = False
    join: Literal["sum", "concat", "other"] = "other"


class CallSite(Protocol):
    """What a rule is given: the call, its tensors' channels and shapes, and the means to tie and to pin.

    Attributes:
        layer: that is called.
        args, kwargs: of the call, with a `Ref` for each tensor.
        inputs: channels of each tensor that it reads.
        input_shapes, output_shapes: of the tensors, with the batch; open sizes are None.
    """

    layer: tf.keras.layers.Layer
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    inputs: tuple[Channels, ...]
    input_shapes: tuple[tuple[int | None, ...], ...]
    output_shapes: tuple[tuple[int | None, ...], ...]

    def new(self, count: int) -> Channels:
        """Channels of this call's own."""

    def tie(self, one: Channels, other: Channels) -> None:
        """Let each channel of one be the same as that of the other at its place; both as long."""

    def pin(self, channels: Channels, reason: str) -> None:
        """Keep these channels, for a reason that the report gives."""

    def pinned(self, reason: str) -> Flow:
        """Keep what it reads and what it returns: the answer for calls that cannot be made narrower."""

    def unknown(self) -> Flow:
        """As `pinned`, and reported as a layer that no rule covers."""


Rule = Callable[[CallSite], Flow]


def channelwise(
    weights: Mapping[str, tuple[int, ...]] | None = None, *, keeps_zero: bool = False, macs_of: str | None = None
) -> Rule:
    """The rule of a layer of one input that returns the channels it reads.

    A layer of one's own declares itself so: `register_rule(Mixed, channelwise({"gamma": (0, 1), "beta": (0,)},
    keeps_zero=True, macs_of="gamma"))` for one that divides each channel by a combination of all, of which the
    matrix `gamma` is sliced on both axes.

    Args:
        weights: axes of each weight, by its name, along which the channels lie.
        keeps_zero: a channel that is zero everywhere comes out zero everywhere.
        macs_of: the matrix of channels by channels by which every position is multiplied.
    """
    axes = dict(weights or {})
    mixes = any(len(along) > 1 for along in axes.values())

    def rule(call: CallSite) -> Flow:
        channels = call.inputs[0]
        return Flow(
            (channels,),
            {name: dict.fromkeys(along, channels) for name, along in axes.items()},
            macs=(Macs(1, channels, channels),) if macs_of else (),
            keeps_zero=keeps_zero,
            per_channel=not mixes,
        )

    return rule
