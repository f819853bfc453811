"""Benchmarks: scripts that print a table and write JSON with the machine's description."""
