"""What operators see of a running service: metrics, calls in the log, traces, and all of it over HTTP."""
