"""Which requests explore, and how."""

from serving.exploration.policies import explored

__all__ = ["explored"]
