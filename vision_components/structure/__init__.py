"""Structure search: which channels a network can do without, what they cost, and the smaller network itself."""

from vision_components.structure.architecture import Architecture
from vision_components.structure.channel_graph import ChannelGraph, Group
from vision_components.structure.devices import DEVICES, Device, measured_device
from vision_components.structure.expand import Expansion, expand
from vision_components.structure.flow import CallSite, Channels, Flow, Macs, channelwise
from vision_components.structure.masking import masked
from vision_components.structure.prune import emit
from vision_components.structure.resources import Activations, FLOPs, Params
from vision_components.structure.roofline import Roofline
from vision_components.structure.rules import register_rule

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
    "Flow",
    "Group",
    "Macs",
    "Params",
    "Roofline",
    "channelwise",
    "emit",
    "expand",
    "masked",
    "measured_device",
    "register_rule",
]
