"""Better skies (Liba et al., "Sky Optimization", arXiv 2006.10172): found, cut out along every twig, and improved.

A small network says how likely each pixel is sky, a filter that knows how far to trust it makes that follow the
photo's edges, and four effects change what lies within. Nothing here loads TensorFlow; only `segmentation`, `training`
and `export` do.
"""

from vision_components.sky.confidence import confidence_of
from vision_components.sky.effects import EffectSettings, with_effects
from vision_components.sky.features import SkyFeatures, sky_features
from vision_components.sky.guided_filter import guided_filter
from vision_components.sky.inpainting import inpainted, refined
from vision_components.sky.network import SkyNetwork, load_network
from vision_components.sky.photo import Improved, SkySettings, improve, sky_mask

__all__ = [
    "EffectSettings",
    "Improved",
    "SkyFeatures",
    "SkyNetwork",
    "SkySettings",
    "confidence_of",
    "guided_filter",
    "improve",
    "inpainted",
    "load_network",
    "refined",
    "sky_features",
    "sky_mask",
    "with_effects",
]
