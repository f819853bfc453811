"""The simulated marketplace: a click log whose truth is known, for the embedded default and for experiments."""

from pipelines.simulation.files import SimulatedFiles, write_marketplace
from pipelines.simulation.marketplace import Marketplace, SimulationSettings, simulate_marketplace

__all__ = ["Marketplace", "SimulatedFiles", "SimulationSettings", "simulate_marketplace", "write_marketplace"]
