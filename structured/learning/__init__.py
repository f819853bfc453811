"""Max-margin learning of pairwise label models."""
