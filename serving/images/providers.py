"""What ONNX Runtime runs a cascade on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Literal

import onnxruntime

from seriatim_errors import ConfigError
from serving.images.manifest import InputSize

Provider = Literal["cpu", "cuda", "tensorrt"]
# In order of preference.
EXECUTION_PROVIDERS: dict[Provider, str] = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "cpu": "CPUExecutionProvider",
}


def execution_providers(
    provider: Provider, fallback: bool = False, available: Collection[str] | None = None
) -> list[str]:
    """Names for ONNX Runtime, in order of preference.

    A graph may hold an operator that a device lacks; ONNX Runtime then runs that one on the next of the list.

    Args:
        provider: as configured.
        fallback: whether the next of TensorRT, CUDA and CPU may stand in for one that is missing.
        available: what this ONNX Runtime was built with; None: ask it.

    Raises:
        ConfigError: the provider is missing and nothing may stand in for it.
    """
    available = onnxruntime.get_available_providers() if available is None else available
    if EXECUTION_PROVIDERS[provider] not in available and not fallback:
        raise missing_provider(provider, available)
    names = list(EXECUTION_PROVIDERS.values())
    return [name for name in names[names.index(EXECUTION_PROVIDERS[provider]) :] if name in available]


def missing_provider(provider: Provider, available: Collection[str]) -> ConfigError:
    """The error for a provider that ONNX Runtime cannot use here."""
    return ConfigError(
        f"images.provider is {provider!r}, but {EXECUTION_PROVIDERS[provider]} is not there; this ONNX Runtime has "
        f"{', '.join(sorted(available))}. Install the package onnxruntime-gpu in place of onnxruntime (with the CUDA "
        "libraries, and TensorRT's for tensorrt), set images.provider to cpu, or set images.provider_fallback to true"
    )


def with_options(names: Sequence[str], size: InputSize, buckets: Sequence[int]) -> list[tuple[str, dict[str, Any]]]:
    """Each provider with the options that fixed batch sizes want.

    Args:
        names: of ONNX Runtime.
        size: what the graph reads.
        buckets: batch sizes, rising.
    """
    low, high = (f"images:{batch}x{size.height}x{size.width}x3" for batch in (buckets[0], buckets[-1]))
    options: dict[str, dict[str, Any]] = {
        # An exhaustive search would be made again for every batch size. Thresholds were set on float32.
        "CUDAExecutionProvider": {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"},
        # Without a profile the engine is built again when a batch of another size comes.
        "TensorrtExecutionProvider": {
            "trt_profile_min_shapes": low,
            "trt_profile_opt_shapes": high,
            "trt_profile_max_shapes": high,
        },
    }
    return [(name, options.get(name, {})) for name in names]
