"""A SavedModel's bytes depend on what it computes, and not on what the process did before."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from ranking.repeatable_saved_model import save_repeatably


def module():
    """A model that calls a function by name, with a variable and a loop."""
    served = tf.Module()
    served.scale = tf.Variable([1.0, 2.0])

    @tf.function(input_signature=[tf.TensorSpec([2], name="x")])
    def serve(x):
        for _ in tf.range(3):
            x = x * served.scale
        return {"y": x}

    return served, serve.get_concrete_function()


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def of_a_fresh_process(tmp_path_factory):
    """The files of the first thing that a process saves, whose functions have the smallest numbers."""
    folder = tmp_path_factory.mktemp("fresh")
    program = (
        "from pathlib import Path; from ranking.repeatable_saved_model import save_repeatably; "
        "from tests.ranking.test_repeatable_saved_model import module; "
        f"save_repeatably(*module(), Path({str(folder)!r}))"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    return files(folder)


@pytest.mark.parametrize("before", [0, 40, 400])
def test_whatever_was_traced_before_the_files_are_those_of_a_fresh_process(tmp_path, of_a_fresh_process, before):
    for number in range(before):
        tf.function(lambda x, number=number: x + number).get_concrete_function(tf.TensorSpec([]))
    save_repeatably(*module(), tmp_path)
    assert files(tmp_path) == of_a_fresh_process
    served = tf.saved_model.load(str(tmp_path)).signatures["serving_default"]
    np.testing.assert_array_equal(served(x=tf.constant([1.0, 2.0]))["y"], [1.0, 16.0])


def test_another_model_is_another_file(tmp_path, of_a_fresh_process):
    served, signature = module()
    served.scale.assign([1.0, 3.0])
    save_repeatably(served, signature, tmp_path)
    assert files(tmp_path) != of_a_fresh_process
