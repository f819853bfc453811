"""Put the trained stages together into one bundle that the service can load."""

from __future__ import annotations
