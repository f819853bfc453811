"""Serving: bundles, the runtime that executes them, and the gRPC service. Never imports TensorFlow."""
