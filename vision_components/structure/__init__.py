"""Structure search: which channels a network can do without, what they cost, and the smaller network itself."""

from vision_components.structure.architecture import Architecture
from vision_components.structure.channel_graph import ChannelGraph, Group
from vision_components.structure.devices import DEVICES, Device, measured_device
from vision_components.structure.expand import Expansion, expand
from vision_components.structure.figs import FigsResult, FigsSettings, figs
from vision_components.structure.flow import CallSite, Channels, Flow, Macs, channelwise
from vision_components.structure.masking import masked
from vision_components.structure.morphnet import MorphNetResult, MorphNetRound, MorphNetSettings, morphnet
from vision_components.structure.prune import emit
from vision_components.structure.resources import Activations, FLOPs, Params
from vision_components.structure.roofline import Roofline
from vision_components.structure.rules import register_rule
from vision_components.structure.spaces import kernel_mixture, parallel_operators

__all__ = [
    "DEVICES",
    "Activations",
    "Architecture",
    "CallSite",
    "ChannelGraph",
    "Channels",
    "Device",
    "Expansion",
    "FLOPs",
    "FigsResult",
    "FigsSettings",
    "Flow",
    "Group",
    "Macs",
    "MorphNetResult",
    "MorphNetRound",
    "MorphNetSettings",
    "Params",
    "Roofline",
    "channelwise",
    "emit",
    "expand",
    "figs",
    "kernel_mixture",
    "masked",
    "measured_device",
    "morphnet",
    "parallel_operators",
    "register_rule",
]
