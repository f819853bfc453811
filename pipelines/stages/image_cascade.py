"""Train a cascade of image backbones on the thumbnails of known class, and export it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipelines.hashed_split import identifier_hash
from pipelines.images_config import ImagesConfig
from pipelines.pictures import PictureOpener
from pipelines.stages.searched_backbones import searched_backbones
from pipelines.thumbnails import class_places, read_thumbnails
from seriatim_errors import TrainingError
from serving.images.decoding import prepared
from serving.images.manifest import InputSize
from serving.runtime.query import InvalidRequestError
from vision_components.backbones import backbone_named
from vision_components.backbones.augmentation import shifted
from vision_components.backbones.training import BackboneTraining
from vision_components.committees import CascadePlan, CascadeSearch
from vision_components.committees.cascade import Cascade
from vision_components.committees.members import CascadeStage
from vision_components.export import export_cascade
from vision_components.multiply_adds import count_macs

SUMMARY_FILE, PLAN_FILE = "summary.json", "plan.json"
GOLDEN_IMAGES, SHIFT_SHARE = 8, 1 / 8


@dataclass(frozen=True)
class LabelledImages:
    """Images of known class, uint8 `[rows, side, side, 3]` and int64 `[rows]`."""

    pixels: NDArray[np.uint8]
    classes: NDArray[np.int64]


def train_cascade(
    path: Path, class_names: tuple[str, ...], version: str, config: ImagesConfig, seed: int, folder: Path
) -> None:
    """Write the cascade to `folder/<version>/`, and `plan.json` and `summary.json` beside it.

    The largest backbone is trained first; the others, and those that a search of its widths finds where it is asked
    for, learn its embedding besides the classes. Thresholds are set on held-out images: the cheapest cascade that is
    right as often as the best single backbone.

    Args:
        path: catalogue with thumbnails and classes.
        class_names: all of them, sorted.
        version: of the cascade.
        config: section `images`.
        seed: of weights, batches and the held-out images.
        folder: made already.

    Raises:
        TrainingError: no image is left to judge by.
    """
    train, held_out = _parts(path, class_names, config, seed)
    backbones = sorted(config.backbones, key=lambda name: count_macs(_model(name, 2, config)))
    models, teacher = {}, None
    for place, (name, model) in enumerate(_untrained(backbones, len(class_names), train, config, seed)):
        _fit(model, teacher, train, config, seed + place)
        models[name], teacher = model, teacher or model
    predictions = {name: _probabilities(model, held_out.pixels) for name, model in models.items()}
    costs = {name: count_macs(model) for name, model in models.items()}
    singles = {name: float((one.argmax(axis=1) == held_out.classes).mean()) for name, one in predictions.items()}
    search = CascadeSearch(config.confidence, config.combine).fit(predictions, held_out.classes, costs)
    plan = search.best(min_accuracy=max(singles.values()))
    stages = [CascadeStage(models[name], cost=costs[name]) for name in plan.members]
    cascade = Cascade(stages, plan.thresholds, plan.confidence, plan.combine)
    export_cascade(cascade, folder, version, class_names, held_out.pixels[:GOLDEN_IMAGES])
    plan.save(folder / PLAN_FILE)
    _summarise(folder / SUMMARY_FILE, plan, singles, costs, len(train.classes), len(held_out.classes))


def _untrained(
    backbones: Sequence[str], classes: int, train: LabelledImages, config: ImagesConfig, seed: int
) -> Iterator[tuple[str, tf.keras.Model]]:
    """The pool by name, the largest first, and behind it the networks that a search makes of it."""
    *smaller, largest = backbones
    for place, name in enumerate((largest, *reversed(smaller))):
        tf.keras.utils.set_random_seed(seed + place)
        yield name, _model(name, classes, config)
    data = (train.pixels, train.classes, config.searched, config.search_epochs, config.batch_size, seed)
    narrower = searched_backbones(lambda: _model(largest, classes, config), *data)
    for share, model in zip(config.searched, narrower, strict=True):
        yield f"{largest}_searched_{share:g}", model


def _parts(
    path: Path, class_names: tuple[str, ...], config: ImagesConfig, seed: int
) -> tuple[LabelledImages, LabelledImages]:
    items, pixels, classes, opener = [], [], [], PictureOpener(config.opening)
    side = InputSize(height=config.image_size, width=config.image_size)
    for rows in read_thumbnails(path, config.column, config.class_column):
        for item, content, known in zip(rows.item_ids, rows.contents, rows.classes, strict=True):
            if content is None or known is None:
                continue
            try:
                [image] = prepared(opener.open(content).source, [side], "thumbnail")
            except InvalidRequestError:
                # Whoever scores all thumbnails counts those that cannot be read, and stops where they are many.
                continue
            items.append(item)
            pixels.append(image)
            classes.append(known)
    judged = identifier_hash(np.array(items, object), seed) < config.held_out_share
    if judged.all() or not judged.any():
        raise TrainingError(
            f"images: of {len(items)} labelled thumbnails {int(judged.sum())} are held out; "
            "label more, or change images.held_out_share"
        )
    places, stacked = class_places(classes, class_names), np.stack(pixels)
    return LabelledImages(stacked[~judged], places[~judged]), LabelledImages(stacked[judged], places[judged])


def _model(name: str, classes: int, config: ImagesConfig) -> tf.keras.Model:
    return backbone_named(name, classes, input_shape=_shape(config), embedding_width=config.embedding_width)


def _shape(config: ImagesConfig) -> tuple[int, int, int]:
    return config.image_size, config.image_size, 3


def _fit(
    model: tf.keras.Model, teacher: tf.keras.Model | None, train: LabelledImages, config: ImagesConfig, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    size = min(config.batch_size, len(train.classes))
    steps = config.epochs * (len(train.classes) // size)
    training = BackboneTraining(model, teacher)
    training.compile(tf.keras.optimizers.Adam(tf.keras.optimizers.schedules.CosineDecay(config.learning_rate, steps)))
    learn = tf.function(training.train_step, reduce_retracing=True, autograph=False)
    most = round(SHIFT_SHARE * config.image_size)
    for _ in range(config.epochs):
        order = rng.permutation(len(train.classes))
        for start in range(0, len(order) - size + 1, size):
            rows = order[start : start + size]
            pixels = shifted(train.pixels[rows], most, rng, config.mirror)
            learn((tf.cast(pixels, tf.float32), tf.constant(train.classes[rows])))


def _probabilities(model: tf.keras.Model, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    run = tf.function(
        lambda images: tf.nn.softmax(model(images, training=False)["logits"]), reduce_retracing=True, autograph=False
    )
    parts = [run(tf.cast(pixels[start : start + 256], tf.float32)).numpy() for start in range(0, len(pixels), 256)]
    return np.concatenate(parts)


def _summarise(
    path: Path, plan: CascadePlan, singles: dict[str, float], costs: dict[str, int], trained: int, judged: int
) -> None:
    """What the report tells of the cascade's training."""
    summary = {
        "trained_images": trained,
        "held_out_images": judged,
        "accuracy": plan.accuracy,
        "backbones": [{"name": name, "accuracy": singles[name], "cost": costs[name]} for name in _by_cost(costs)],
    }
    path.write_text(json.dumps(summary, indent=1), encoding="utf-8")


def _by_cost(costs: dict[str, int]) -> Sequence[str]:
    return sorted(costs, key=lambda name: costs[name])
