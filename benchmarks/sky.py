"""Skies on CamVid and on drawn scenes: the weighted guided filter beside its rivals, and what the whole chain takes.

A network is trained on CamVid's sky class for as long as `--budget` minutes allow, and kept in `--work`, as are the
measures of each part. Its answers on held-out street scenes, and imitated answers on drawn scenes whose alpha is known
exactly, are then enlarged by each method. CamVid's labels are hard and stop short of many edges: soft edges may lower
its numbers; the drawn scenes are what tells about edges. Times are medians on the processor.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import parse_options, report
from benchmarks.sky_enlarging import METHODS, WEIGHTED, enlarged
from benchmarks.sky_scenes import coarse_probability, drawn_scene
from vision_components.sky.effects import with_effects
from vision_components.sky.evaluation import mean_measures, measured
from vision_components.sky.inpainting import SKY, UNLABELLED
from vision_components.sky.labelled_photos import LabelledPhoto, SkyExamples, read_labelled_photos, sky_examples
from vision_components.sky.network import SkyNetwork, load_network
from vision_components.sky.photo import SkySettings, improve, refined_probability, sky_mask, sky_probability
from vision_components.sky.resampling import resized_pixels

NEEDS = {"minutes": 20, "least": 3, "small": ["--scenes", "2", "--photos", "4"], "data": ["camvid_sky"], "work": True}
HEIGHT, WIDTH = 768, 1024
MOST_STEPS, SPARE, REPEATS = 4000, 0.8, 15
PROCESSOR = ", processor"
Rows = list[dict[str, Any]]
Masked = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_] | None]


def main() -> None:
    options = parse_options(
        "sky",
        __doc__ or "",
        ("--data", {"type": Path, "default": Path("../shared/data/camvid_sky"), "help": "train.tar and val.tar"}),
        ("--work", {"type": Path, "default": Path("runs/sky"), "help": "folder of the network and of results so far"}),
        ("--steps", {"type": int, "help": "batches to train on, in place of the budget"}),
        ("--scenes", {"type": int, "default": 24, "help": "drawn scenes"}),
        ("--photos", {"type": int, "help": "held-out photos; all of them by default"}),
    )
    given = options.extra
    given.work.mkdir(parents=True, exist_ok=True)
    held_out = list(read_labelled_photos(given.data / "val.tar"))[: given.photos]
    folder = given.work / "network"
    if not folder.exists():
        train_network(folder, given.data / "train.tar", options.budget, given.steps)
    network = load_network(folder)
    textures = [photo.pixels for photo in held_out]
    rows = [
        *kept(given.work, "camvid", lambda: compared("CamVid", street_masks(held_out, network))),
        *kept(given.work, "drawn", lambda: compared("drawn scenes", drawn_masks(given.scenes, textures))),
    ]
    seconds = kept(given.work, "seconds", lambda: chain_seconds(network))
    figures = {f"{name} seconds": value for name, value in seconds.items()}
    bands = {row["enlarged by"]: row["band_error"] for row in rows if row["photos"] == "drawn scenes"}
    for method in METHODS:
        if method != WEIGHTED and method in bands:
            figures[f"band error of weighted over {method}"] = bands[WEIGHTED] / bands[method]
    trained = json.loads((folder / "sky.json").read_text(encoding="utf-8"))
    settings = trained["training"] | {
        "multiply_adds": trained["multiply_adds"],
        "held_out_photos": len(held_out),
        "scenes": given.scenes,
        "scene_pixels": HEIGHT * WIDTH,
        "chain_pixels": 1 << 20,
    }
    report(options, settings, figures, rows)


def train_network(folder: Path, photos: Path, minutes: float, steps: int | None) -> None:
    """Train on labelled photos for a number of steps, or for as many as fit into some minutes."""
    import tensorflow as tf

    from vision_components.sky.export import export_network
    from vision_components.sky.segmentation import SIDE, WIDTHS, unet
    from vision_components.sky.training import TrainingSettings, train

    examples = sky_examples(read_labelled_photos(photos), SIDE)
    if steps is None:
        steps = int(np.clip(SPARE * 60 * minutes / _step_seconds(examples), 1, MOST_STEPS))
    tf.keras.utils.set_random_seed(0)
    model, settings = unet(SIDE, WIDTHS), TrainingSettings(steps=steps)

    def say(step: int, loss: float) -> None:
        if step % 100 == 0 or step == steps:
            print(f"step {step} of {steps}: loss {loss:.4f}", flush=True)

    losses = train(model, examples, settings, say)
    training = {"network": f"U-Net {WIDTHS}", "side": SIDE, "training_photos": len(examples), "steps": steps}
    last = float(np.mean(losses[-50:]))
    export_network(
        model, folder, examples.photos[:4], training | {"batch_size": settings.batch_size, "last_losses": last}
    )


def street_masks(photos: Iterable[LabelledPhoto], network: SkyNetwork) -> Iterator[Masked]:
    """Photo, the network's answer, truth and the pixels that count."""
    for photo in photos:
        truth = (photo.labels == SKY).astype(np.float32)
        yield photo.pixels, sky_probability(photo.pixels, network), truth, photo.labels != UNLABELLED


def drawn_masks(count: int, textures: list[NDArray[np.uint8]]) -> Iterator[Masked]:
    """The same of drawn scenes; every other one has the lower half of a street scene for its ground."""
    for seed in range(count):
        # Hours follow one another by the seed: so grounds change every four.
        texture = textures[seed % len(textures)] if textures and seed // 4 % 2 else None
        ground = None if texture is None else resized_pixels(texture[len(texture) // 2 :], HEIGHT, WIDTH)
        scene = drawn_scene(seed, HEIGHT, WIDTH, ground)
        yield scene.photo, coarse_probability(scene.alpha, 256, seed), scene.alpha, None


def compared(name: str, masks: Iterable[Masked]) -> Rows:
    """A row of mean measures for every method."""
    found: dict[str, list[dict[str, float]]] = {}
    for photo, probability, truth, where in masks:
        for method in METHODS:
            mask = enlarged(method, photo, probability)
            if mask is not None:
                found.setdefault(method, []).append(measured(mask, truth, where))
    return [{"photos": name, "enlarged by": method} | mean_measures(rows) for method, rows in found.items()]


def chain_seconds(network: SkyNetwork) -> dict[str, float]:
    """Median seconds of the chain and its parts for a photo of 1,048,576 pixels, most of them sky.

    The network is asked, for its time, but an imitated answer is used: a drawn scene is no street. Processor time,
    of all threads together, is what a busy machine does not change much.
    """
    scene = drawn_scene(0, 1024, 1024)
    settings, probability = SkySettings(), coarse_probability(scene.alpha, network.side, 0)
    mask = np.rint(refined_probability(scene.photo, probability, settings) * 255).astype(np.uint8)
    known = SkyNetwork(
        network.side, lambda photos: (network.probabilities(photos), probability[np.newaxis])[1], "known"
    )
    parts: dict[str, Callable[[], Any]] = {
        "network": lambda: sky_probability(scene.photo, network),
        "filter": lambda: refined_probability(scene.photo, probability, settings),
        "effects": lambda: with_effects(scene.photo, mask, settings.effects),
        "mask": lambda: sky_mask(scene.photo, known, settings),
        "whole chain": lambda: improve(scene.photo, known, settings),
    }
    taken: dict[str, list[float]] = {f"{name}{kind}": [] for name in parts for kind in ("", PROCESSOR)}
    # In turns, so that a busy moment of the machine does not fall on one part alone.
    for _ in range(REPEATS):
        for name, part in parts.items():
            begun = time.perf_counter(), time.process_time()
            part()
            taken[name].append(time.perf_counter() - begun[0])
            taken[f"{name}{PROCESSOR}"].append(time.process_time() - begun[1])
    return {name: float(np.median(seconds)) for name, seconds in taken.items()}


def kept(work: Path, name: str, compute: Callable[[], Any]) -> Any:
    """What was computed under this name before, or now."""
    path = work / f"{name}.json"
    if not path.exists():
        result = compute()
        partial = path.with_suffix(".part")
        partial.write_text(json.dumps(result), encoding="utf-8")
        partial.rename(path)
    return json.loads(path.read_text(encoding="utf-8"))


def _step_seconds(examples: SkyExamples, steps: tuple[int, int] = (2, 8)) -> float:
    """From the difference of two short trainings, so that what building the graph takes falls out."""
    from vision_components.sky.segmentation import unet
    from vision_components.sky.training import TrainingSettings, train

    taken = []
    for count in steps:
        model, begun = unet(), time.perf_counter()
        train(model, examples, TrainingSettings(steps=count))
        taken.append(time.perf_counter() - begun)
    return max(taken[1] - taken[0], 1e-3) / (steps[1] - steps[0])


if __name__ == "__main__":
    main()
