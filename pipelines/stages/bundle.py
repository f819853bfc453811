"""Put the trained stages together into one bundle that the service can load."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipelines.config import PipelineConfig
from pipelines.stages import base_ranker, gate, seq2slate
from pipelines.stages.training_data import EVALUATION, TRAIN, TrainingData
