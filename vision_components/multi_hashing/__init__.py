"""Structured multi-hashing (Eban et al., CVPR 2020, arXiv 1911.11177): a network's weights from a few variables.

All kernels of a model are slices of one product of two thin matrices, whose entries are what is trained, kept and sent.
"""

from vision_components.multi_hashing.hashed_layers import HashedConv2D, HashedDense, HashedDepthwiseConv2D
from vision_components.multi_hashing.models import hash_model, materialize, pool_of
from vision_components.multi_hashing.plain_pool import PlainHashPool
from vision_components.multi_hashing.pool import HashPool, PoolShape, pool_shape
from vision_components.multi_hashing.sizes import ModelSizes, sizes_of

__all__ = [
    "HashPool",
    "HashedConv2D",
    "HashedDense",
    "HashedDepthwiseConv2D",
    "ModelSizes",
    "PlainHashPool",
    "PoolShape",
    "hash_model",
    "materialize",
    "pool_of",
    "pool_shape",
    "sizes_of",
]
