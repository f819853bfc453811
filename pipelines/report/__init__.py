"""Offline metrics: the metrics file and the page that people decide from."""
