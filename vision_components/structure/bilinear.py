"""Costs that are products of counts of channels: exact, expected and as MorphNet's regulariser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from vision_components.structure.channel_graph import ChannelGraph
from vision_components.structure.flow import Channels


@dataclass(frozen=True)
class Term:
    """`coefficient` times the count of `left` times that of `right`.

    Attributes:
        coefficient: a whole number.
        left, right: channels; None counts as 1.
        calls: numbers of the calls that it belongs to; without any of them it is nothing.
        both_sides: each channel of `left` is an input and an output of its own, as in a depthwise convolution.
    """

    coefficient: int
    left: Channels | None
    right: Channels | None
    calls: tuple[int, ...]
    both_sides: bool = False


class BilinearTerms:
    """Terms of a network, counted group by group.

    Args:
        graph: of the network.
        terms: of its cost.
    """

    def __init__(self, graph: ChannelGraph, terms: Sequence[Term]) -> None:
        self.terms = tuple(terms)
        self._coefficients = [term.coefficient for term in terms]
        self._left, self._left_fixed = _counts(graph, [term.left for term in terms])
        self._right, self._right_fixed = _counts(graph, [term.right for term in terms])
        self._sides = np.array([1 + term.both_sides for term in terms], np.float32)
        self._groups = tuple(graph.groups)

    def exact(self, widths: Mapping[str, int], live: Sequence[bool]) -> list[int]:
        """Each term for groups of such widths, 0 where none of its calls is live."""
        sizes = np.array([widths[name] for name in self._groups], np.int64)
        left, right = self._left @ sizes + self._left_fixed, self._right @ sizes + self._right_fixed
        return [
            coefficient * int(one) * int(other) * any(live[call] for call in term.calls)
            for coefficient, one, other, term in zip(self._coefficients, left, right, self.terms, strict=True)
        ]

    def expected(self, probabilities: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Each term with sums of probabilities in place of counts, float32 `[terms]`."""
        sums = self._sums(probabilities)
        left = tf.linalg.matvec(_float(self._left), sums) + _float(self._left_fixed)
        right = tf.linalg.matvec(_float(self._right), sums) + _float(self._right_fixed)
        return _float(self._coefficients) * left * right

    def regularised(self, strengths: Mapping[str, tf.Tensor], alive: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Each term's regulariser `C (A R_out + B R_in)`, float32 `[terms]`.

        A and B are the counts of `alive` and have no gradient; R_in and R_out are the sums of the strengths of the
        same channels without those that stay.
        """
        sums, counts = self._sums(strengths), tf.stop_gradient(self._sums(alive))
        left = tf.linalg.matvec(_float(self._left), counts) + _float(self._left_fixed)
        right = tf.linalg.matvec(_float(self._right), counts) + _float(self._right_fixed)
        strong_left = tf.linalg.matvec(_float(self._left), sums) * self._sides
        strong_right = tf.linalg.matvec(_float(self._right), sums)
        return _float(self._coefficients) * (left * strong_right + right * strong_left)

    def _sums(self, values: Mapping[str, tf.Tensor]) -> tf.Tensor:
        sums = [tf.reduce_sum(tf.cast(values[name], tf.float32)) for name in self._groups]
        return tf.stack(sums) if sums else tf.zeros((0,))


def _counts(graph: ChannelGraph, listed: Sequence[Channels | None]) -> tuple[np.ndarray, np.ndarray]:
    """How often each group's channels occur in each list, `[lists, groups]`, and how many stay, `[lists]`."""
    times = np.zeros((len(listed), len(graph.groups)), np.int64)
    fixed = np.ones(len(listed), np.int64)
    for place, channels in enumerate(listed):
        if channels is not None:
            times[place], fixed[place] = graph.times(channels)
    return times, fixed


def _float(values: object) -> tf.Tensor:
    return tf.constant(np.asarray(values, np.float32))
