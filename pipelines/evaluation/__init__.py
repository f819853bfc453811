"""Offline evaluation: policies, their metrics with intervals, the gate's promise and the blessing."""
