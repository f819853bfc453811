"""Geometry of the page's plots: numbers in, coordinates out; the templates draw them as inline SVG."""
