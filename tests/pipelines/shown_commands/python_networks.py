"""What the pages on images take as given: networks of a few channels, and pictures of a few pixels."""

import functools
import shutil

import numpy as np
import tensorflow as tf

from tests.pipelines.shown_commands.workspace import landscape
from tests.vision_components.networks import CLASSES, images, network

SIDE = 16
SHORT_DISTILLATION = {
    '{"half": ..., "quarter": ...}': '{"half": student(name, 0.5), "quarter": student(name, 0.25)}',
    ".fit(images, epochs=5)": ".fit(images, epochs=1)",
    "epochs=2": "epochs=1",
}
SHORT_SEARCH = {
    "SearchSettings(epochs=20)": "SearchSettings(epochs=1)",
    "MorphNetSettings(rounds=2)": "MorphNetSettings(rounds=1, epochs=1)",
}


def pictures(folder, closing):
    """Pictures and the names of ten classes."""
    shutil.rmtree(folder / "cascades", ignore_errors=True)
    return {"class_names": [f"class {number}" for number in range(10)], "images": images(4, 32).astype(np.uint8)}


def codec(folder, closing):
    """`codecs/mine`, which is only just begun, `photos/one.jpg` and a training of two steps."""
    from vision_components.codec import TrainingPlan, save_codec

    target = folder / "codecs" / "mine"
    if not target.exists():
        from tests.vision_components.coded import tiny_codec

        save_codec(tiny_codec(), target)
    photos = [np.asarray(landscape(seed, 80, 96)[0]) for seed in range(2)]
    return {"pictures": photos, "plan": TrainingPlan(steps=2, batch=1, patch=64)}


def members(folder, closing):
    """Predictions of a small and a large model on held-out rows, their labels and costs, and the models."""
    rng = np.random.default_rng(0)
    labels = rng.integers(CLASSES, size=200)
    predictions = {}
    for name, sureness in (("small", 3.0), ("large", 8.0)):
        logits = rng.normal(size=(200, CLASSES))
        logits[np.arange(200), labels] += sureness * rng.random(200) + 1
        predictions[name] = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return {
        "predictions": predictions,
        "labels": labels,
        "costs": {"small": 1e6, "large": 1e7},
        "models": _models(),
        "images": images(5, 32),
    }


@functools.cache
def _models():
    return {name: network(seed) for seed, name in enumerate(("small", "large"))}


def teacher(folder, closing):
    """A teacher and pictures; `student` makes a student of one of its parts by name."""
    from vision_components.distillation import residual_student, split

    taught = _teacher()
    parts = {part.name: part for part in split(taught).neighbourhoods}
    return {
        "teacher": taught,
        "images": images(64, SIDE),
        "held_out": images(6, SIDE, seed=1),
        "labels": np.arange(6) % CLASSES,
        "names": [split(taught).neighbourhoods[1].name],
        "student": lambda name, middle: residual_student(parts[name], middle=middle),
    }


@functools.cache
def _teacher():
    taught = network(input_shape=(SIDE, SIDE, 3))
    taught.compile("sgd", "sparse_categorical_crossentropy")
    return taught


def hashed(folder, closing):
    """Pictures to train on."""
    return {
        "loss": "sparse_categorical_crossentropy",
        "metrics": ["accuracy"],
        "images": images(4, SIDE),
        "labels": np.arange(4) % 10,
    }


def sky(folder, closing):
    """`sky_network`, untrained, and a photo."""
    from vision_components.sky.export import export_network
    from vision_components.sky.segmentation import unet

    photo = np.asarray(landscape(0, 64, 96)[0])
    if not (folder / "sky_network").exists():
        tf.keras.utils.set_random_seed(0)
        some = np.stack([np.asarray(landscape(seed, 32, 32)[0]) for seed in range(2)])
        export_network(unet(32, (4, 8)), folder / "sky_network", some)
    return {"photo": photo}


def searched(folder, closing):
    """A model with the layers that the page names, batches, scores of its channels and a layer of one's own."""
    from tests.vision_components.structure_networks import Divided

    class GDN(Divided):
        """Of this test alone, so that no other test meets the rule."""

    model = _searchable()
    rng = np.random.default_rng(0)
    return {
        "model": model,
        "batches": tf.data.Dataset.from_tensor_slices((images(4, SIDE), np.arange(4) % CLASSES)).batch(4),
        "scores": {name: rng.uniform(0.6, 1, size) for name, size in _group_sizes(model).items()},
        "images": images(4, SIDE),
        "path": folder / "architecture.json",
        "GDN": GDN,
    }


def _searchable():
    layers = tf.keras.layers
    entered = tf.keras.Input((SIDE, SIDE, 3))
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(6, 3, padding="same", use_bias=False)(entered)))
    sides = []
    for side in ("left", "right"):
        y = x
        for number in (1, 2):
            y = layers.Conv2D(4, 3, padding="same", activation="relu", name=f"{side}_{number}")(y)
        sides.append(y)
    x = layers.Concatenate()(sides)
    x = layers.Dense(5, name="embedding")(layers.GlobalAveragePooling2D()(x))
    model = tf.keras.Model(entered, layers.Dense(CLASSES, name="logits")(x))
    model.compile("adam", tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _group_sizes(model):
    from vision_components.structure import ChannelGraph

    graph = ChannelGraph(model, pin=["embedding"], tie=[r"left_\d", r"right_\d"])
    return {name: graph.groups[name].width for name in graph.groups}
