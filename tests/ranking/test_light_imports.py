"""What the serving side of a team wants from `ranking` must not cost the import of a training framework."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("tensorflow", "lightgbm", "onnxruntime")


@pytest.mark.parametrize("package", ["metrics", "click_models", "off_policy", "base_rankers"])
def test_a_light_package_imports_no_training_framework(package: str) -> None:
    code = f"import sys, ranking.{package}; print([name for name in {HEAVY} if name in sys.modules])"
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "[]"
