"""The simulated marketplace: a click log whose truth is known, for the embedded default and for experiments."""

from pipelines.simulation.files import SimulatedFiles, simulated_format, write_marketplace
from pipelines.simulation.marketplace import Marketplace, SimulationSettings, simulate_marketplace
from pipelines.simulation.planted_edges import planted_edges

__all__ = [
    "Marketplace",
    "SimulatedFiles",
    "SimulationSettings",
    "planted_edges",
    "simulate_marketplace",
    "simulated_format",
    "write_marketplace",
]
