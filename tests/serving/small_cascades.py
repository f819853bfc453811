"""Small real cascades: a stage takes the mean colour of an image and reads it with a linear layer."""

import io
from pathlib import Path

import numpy as np
from onnx import TensorProto
from PIL import Image

from ranking.onnx_builder import OnnxBuilder
from serving.images import CascadeManifest, CascadeStage, InputSize, open_cascade, write_cascade
from serving.images.batch_times import BatchTimes
from serving.images.golden import answers_of
from serving.images.loading import warm_up
from serving.images.runtime import CascadeRuntime
from serving.images.stage_graph import StageGraph

CLASSES, WIDTH = ("cat", "dog", "owl"), 2
SIZES = ((8, 6), (12, 12), (12, 12))
HALF = np.float32(0.5)
SHARPNESS = (6.0, 12.0, 24.0)
# Thresholds that no confidence reaches, and that every one does.
NEVER, ALWAYS = 1.5, 0.0
# ONNX Runtime adds up in another order in batches of another size, and the stages multiply that by up to 24.
TOLERANCE = 5e-6


def write_stage(path: Path, stage: int, size=None, embedding=WIDTH, image_type=TensorProto.UINT8, batch="batch"):
    """The graph of stage number `stage`; later ones are surer of themselves."""
    rng = np.random.default_rng(stage)
    height, width = size or SIZES[stage]
    graph = OnnxBuilder()
    pixels = graph.add("Cast", "images", to=TensorProto.FLOAT)
    shares = graph.add("Div", pixels, graph.constant(np.float32(255), "white"))
    colour = graph.add("Sub", graph.add("ReduceMean", shares, axes=[1, 2], keepdims=0), graph.constant(HALF, "half"))
    weights = graph.constant(SHARPNESS[stage] * rng.normal(size=(3, len(CLASSES))).astype(np.float32), "weights")
    graph.rename(graph.add("Softmax", graph.add("MatMul", colour, weights), axis=1), "probabilities")
    outputs = [("probabilities", TensorProto.FLOAT, [batch, len(CLASSES)])]
    if embedding:
        projection = graph.constant(rng.normal(size=(3, embedding)).astype(np.float32), "projection")
        graph.rename(graph.add("MatMul", colour, projection), "embedding")
        outputs.append(("embedding", TensorProto.FLOAT, [batch, embedding]))
    model = graph.model("stage", [("images", image_type, [batch, height, width, 3])], outputs)
    path.write_bytes(model.SerializeToString())
    return path


def make_manifest(thresholds=(0.6, 0.8), version="cascade-1", embedding=WIDTH, **changes):
    stages = tuple(
        CascadeStage(
            file=f"stage_{place}.onnx",
            threshold=threshold,
            cost=10 ** (place + 3),
            input_size=InputSize(height=SIZES[place][0], width=SIZES[place][1]),
        )
        for place, threshold in enumerate((*thresholds, None))
    )
    values = {"class_names": CLASSES, "embedding_width": embedding, "stages": stages, "version": version}
    return CascadeManifest(**{**values, **changes})


def make_cascade(root: Path, thresholds=(0.6, 0.8), version="cascade-1", embedding=WIDTH, **changes):
    """Write a cascade under `root` and open it; `changes` go into the manifest."""
    manifest = make_manifest(thresholds, version, embedding, **changes)
    sources = root / f"sources-{version}"
    sources.mkdir(parents=True)
    files, graphs = {}, []
    for place, stage in enumerate(manifest.stages):
        files[stage.file] = write_stage(sources / stage.file, place, embedding=embedding)
        graphs.append(StageGraph(files[stage.file], stage.input_size, len(CLASSES), embedding))
    golden = answers_of(graphs, np.stack([make_image(seed, (16, 20)) for seed in range(4)]))
    return open_cascade(write_cascade(root, manifest, files, golden))


def make_image(seed, size=(12, 12)):
    """Noise around a random colour, uint8 `[height, width, 3]`."""
    rng = np.random.default_rng(seed)
    colour = rng.uniform(20, 235, size=3)
    return np.clip(rng.normal(colour, 20, size=(*size, 3)), 0, 255).astype(np.uint8)


def file_of(pixels, kind="PNG", **options):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


def with_thresholds(manifest, thresholds, **changes):
    """The manifest with other thresholds."""
    stages = tuple(
        stage.model_copy(update={"threshold": threshold})
        for stage, threshold in zip(manifest.stages, (*thresholds, None), strict=True)
    )
    return manifest.model_copy(update={"stages": stages, **changes})


def make_runtime(manifest, graphs, buckets=(1, 2, 4, 8), times=None, **options):
    """A warm runtime, to be made in a running loop or before."""
    if times is None:
        times = BatchTimes(buckets)
        warm_up(graphs, times)
    return CascadeRuntime(manifest, graphs, times, **options)
