"""Which rule traces which layer: one's own handlers, registered classes, Keras' layers, operations on tensors."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

from vision_components.structure.convolution_rules import CONVOLUTION_RULES
from vision_components.structure.flow import CallSite, Flow, Rule
from vision_components.structure.layer_rules import LAYER_RULES
from vision_components.structure.operation_rules import operation_rule

_registered: dict[type, Rule] = {}


def register_rule(kind: type, rule: Rule) -> None:
    """Let all channel graphs trace layers of exactly this class by the rule; subclasses need their own.

    Args:
        kind: a layer's class.
        rule: is given each call (`flow.CallSite`) and says which channels it returns, where they lie in the layer's
            weights and configuration, and what it costs; `flow.channelwise` makes the rule of many layers.
    """
    _registered[kind] = rule


def rule_for(layer: tf.keras.layers.Layer, handlers: Mapping[type, Rule]) -> Rule:
    """The rule of a layer; for one that none covers the rule that keeps its channels and reports it."""
    kind = type(layer)
    for rules in (handlers, _registered, CONVOLUTION_RULES, LAYER_RULES):
        if kind in rules:
            return rules[kind]
    # Keras makes these layers of operations on its tensors; their classes have no public name.
    if kind.__name__ in ("TFOpLambda", "SlicingOpLambda"):
        return operation_rule(layer) or _unknown
    return _unknown


def _unknown(call: CallSite) -> Flow:
    return call.unknown()
