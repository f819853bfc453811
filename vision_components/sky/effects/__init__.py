"""What is done to a sky: denoise, darkening, contrast, white balance; all within the mask and within a bound."""

from vision_components.sky.effects.improving import EffectSettings, with_effects

__all__ = ["EffectSettings", "with_effects"]
