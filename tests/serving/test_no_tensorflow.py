"""The service never loads TensorFlow, nor anything that would."""

import subprocess
import sys

PROGRAM = """
import importlib, pkgutil, sys
import serving
for module in pkgutil.walk_packages(serving.__path__, "serving."):
    importlib.import_module(module.name)
from pathlib import Path
from serving.check import check_bundle
check_bundle(Path(sys.argv[1]))
heavy = {"tensorflow", "keras", "tfx", "apache_beam", "ranking", "pipelines", "structured", "vision_components"}
print(sorted(heavy & set(sys.modules)))
"""


def test_importing_all_of_serving_and_ranking_loads_no_tensorflow_and_no_other_package(labelled_bundle):
    command = [sys.executable, "-c", PROGRAM, str(labelled_bundle.folder)]
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "[]"


def test_the_client_needs_none_of_the_stages_libraries():
    program = "import sys, serving.client; print(sorted({'lightgbm', 'onnxruntime', 'scipy'} & set(sys.modules)))"
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "[]"
