"""How fast devices compute and read: the two numbers of the roofline model."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from seriatim_errors import DataError


@dataclass(frozen=True)
class Device:
    """Peak rates.

    Attributes:
        name: of the device.
        gflops: 1e9 floating-point operations a second, a multiply-add counting two.
        bandwidth: 1e9 bytes a second between memory and processor.
    """

    name: str
    gflops: float
    bandwidth: float


# Half precision where the device has it, else single; as the MorphNet library lists them.
DEVICES = {
    device.name: device
    for device in (
        Device("v100", 125_000, 900),
        Device("p100", 9_300, 732),
        Device("t4", 8_100, 300),
        Device("p4", 5_500, 192),
        Device("k80", 8_740, 480),
        Device("tpu-v2", 22_500, 300),
        # One limit alone, in which the time is that many operations or bytes, times 1e-6 ms.
        Device("compute-only", 1, math.inf),
        Device("memory-only", math.inf, 1),
    )
}


def device_named(name: str) -> Device:
    """The device of a name in `DEVICES`.

    Raises:
        DataError: there is none.
    """
    if name not in DEVICES:
        raise DataError(f"device {name!r}: give one of {', '.join(DEVICES)}, or a Device, such as measured_device()")
    return DEVICES[name]


def measured_device(size: int = 1024, megabytes: int = 64, repeats: int = 5, name: str = "measured") -> Device:
    """The rates that TensorFlow reaches here: of a matrix product and of adding 1 to a long vector, float32.

    The best of several runs, after one that does not count. It takes about a second on one core, and measures the
    machine as it is: with other programs running, theirs is missing.

    Args:
        size: of the square matrices.
        megabytes: of the vector; more than the caches hold.
        repeats: of each.
        name: of the device.
    """
    rng = np.random.default_rng(0)
    matrix = tf.constant(rng.standard_normal((size, size), np.float32))
    vector = tf.zeros(megabytes * 250_000)
    product, addition = (
        tf.function(step, autograph=False) for step in (lambda one: tf.linalg.matmul(one, one), lambda one: one + 1.0)
    )
    gflops = 2 * size**3 / _seconds(lambda: product(matrix).numpy(), repeats) / 1e9
    # Read once and written once; what is read back to say that it is done is a single number.
    bandwidth = 2 * megabytes * 1e6 / _seconds(lambda: addition(vector)[0].numpy(), repeats) / 1e9
    return Device(name, gflops, bandwidth)


def _seconds(run: Callable[[], object], repeats: int) -> float:
    run()
    best = math.inf
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return best
