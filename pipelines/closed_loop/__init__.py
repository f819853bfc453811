"""A simulated week of the whole loop: the service ranks, users click, the pipeline trains, a canary decides."""
