"""Structured outputs: tree-structured multi-label prediction."""
