"""Convolutional backbones for images of any size, with one or two heads.

Each is an ordinary functional Keras model that reads float pixels of 0 to 255 and answers with `logits`, or, where an
embedding's width is given, with a dictionary of `logits` and `embedding`. The last layer of each block is called
`block_1`, `block_2` and so on.
"""

from vision_components.backbones.by_name import backbone_named
from vision_components.backbones.efficientnet import efficientnet
from vision_components.backbones.mobilenet import mobilenet
from vision_components.backbones.resnet import resnet

__all__ = ["backbone_named", "efficientnet", "mobilenet", "resnet"]
