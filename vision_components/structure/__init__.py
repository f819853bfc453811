"""Structure search: which channels a network can do without, what they cost, and the smaller network itself."""

from vision_components.structure.channel_graph import ChannelGraph, Group
from vision_components.structure.flow import CallSite, Channels, Flow, Macs, channelwise
from vision_components.structure.rules import register_rule

__all__ = ["CallSite", "ChannelGraph", "Channels", "Flow", "Group", "Macs", "channelwise", "register_rule"]
