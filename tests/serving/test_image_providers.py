"""What the cascade runs on."""

import pytest

from seriatim_errors import ConfigError
from serving.images.manifest import InputSize
from serving.images.providers import execution_providers, with_options
from serving.images.stage_graph import StageGraph, load_stages
from tests.serving.small_cascades import make_cascade

TENSORRT, CUDA, CPU = "TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"


@pytest.mark.parametrize(
    ("provider", "available", "expected"),
    [
        ("cpu", [TENSORRT, CUDA, CPU], [CPU]),
        ("cuda", [TENSORRT, CUDA, CPU], [CUDA, CPU]),
        ("tensorrt", [CPU, CUDA, TENSORRT], [TENSORRT, CUDA, CPU]),
    ],
)
def test_operators_that_a_device_lacks_go_to_the_next(provider, available, expected):
    assert execution_providers(provider, available=available) == expected


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_missing_provider_is_named_with_what_is_there_and_what_to_install(provider):
    with pytest.raises(ConfigError, match="onnxruntime-gpu") as caught:
        execution_providers(provider, available=["AzureExecutionProvider", CPU])
    assert f"images.provider is {provider!r}" in str(caught.value)
    assert f"AzureExecutionProvider, {CPU}" in str(caught.value)
    assert "images.provider_fallback" in str(caught.value)


@pytest.mark.parametrize(
    ("provider", "available", "expected"),
    [
        ("tensorrt", [CUDA, CPU], [CUDA, CPU]),
        ("tensorrt", [CPU], [CPU]),
        ("cuda", [TENSORRT, CPU], [CPU]),
    ],
)
def test_another_stands_in_only_where_that_is_asked_for(provider, available, expected):
    assert execution_providers(provider, fallback=True, available=available) == expected
    with pytest.raises(ConfigError):
        execution_providers(provider, available=available)


def test_batch_sizes_are_told_to_the_providers():
    [(_, tensorrt), (_, cuda), (_, cpu)] = with_options([TENSORRT, CUDA, CPU], InputSize(height=8, width=6), (2, 4, 16))
    assert tensorrt["trt_profile_min_shapes"] == "images:2x8x6x3"
    assert tensorrt["trt_profile_max_shapes"] == "images:16x8x6x3"
    assert cuda["cudnn_conv_algo_search"] == "HEURISTIC"
    assert cpu == {}


def test_a_provider_that_onnx_runtime_has_but_cannot_load_is_refused(tmp_path, monkeypatch, caplog):
    cascade = make_cascade(tmp_path)
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: [CUDA, CPU])
    # What ONNX Runtime does when a driver's libraries are missing: it leaves the provider out.
    monkeypatch.setattr(StageGraph, "providers", property(lambda graph: [CPU]))
    monkeypatch.setattr("serving.images.stage_graph.with_options", lambda names, *_: [CPU])
    with pytest.raises(ConfigError, match=r"images\.provider is 'cuda'"):
        load_stages(cascade.folder, cascade.manifest, provider="cuda")
    assert len(load_stages(cascade.folder, cascade.manifest, provider="cuda", fallback=True)) == 3
    assert "CUDAExecutionProvider could not be loaded" in caplog.text
