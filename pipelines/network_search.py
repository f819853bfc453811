"""A smaller network of a Keras file: searched on labelled images, trained to the end, written with what was found."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pipelines.classifier import Classifier
from pipelines.labelled_images import LabelledImages, split_rows
from seriatim_errors import DataError

if TYPE_CHECKING:
    import tensorflow as tf

    from vision_components.structure.architecture import Architecture
    from vision_components.structure.search_model import Cost

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class SearchChoices:
    """What a search is asked for.

    Attributes:
        method: `figs` or `morphnet`.
        resource: that the budgets are of: floating-point operations, weights, or estimated time.
        budgets: shares of the model's own cost, rising; one for `morphnet`.
        epochs: of the search.
        finish: what follows for the small model: `fine-tune`, `scratch` or `none`.
        finish_epochs: passes of that training.
        batch_size: images of a step.
        learning_rate: highest learning rate.
        pixels: range of the pixels that the model reads.
        pin: expressions of layers' names that keep their channels.
        device: for `latency`, a name or `measured`.
        round_to: widths become multiples of it.
        held_out: share of the images to judge by.
        seed: of the split, the batches and the gates.
    """

    method: Literal["figs", "morphnet"]
    resource: Literal["flops", "params", "latency"]
    budgets: tuple[float, ...]
    epochs: int
    finish: Literal["fine-tune", "scratch", "none"]
    finish_epochs: int
    batch_size: int = 64
    learning_rate: float = 1e-3
    pixels: str = "0..255"
    pin: tuple[str, ...] = ()
    device: str = "measured"
    round_to: int = 1
    held_out: float = 0.2
    seed: int = 0


@dataclass(frozen=True)
class Found:
    """A model and what it costs; the first of a search's is the one that it began with.

    Attributes:
        name: of the file, without its ending.
        share: of the first model's cost.
        cost: in the resource's unit.
        multiply_adds: of one image.
        parameters: numbers in the weights.
        accuracy: on the images held out.
        files: that were written.
    """

    name: str
    share: float
    cost: float
    multiply_adds: int
    parameters: int
    accuracy: float
    files: tuple[str, ...] = ()


class Progress(Protocol):
    """Is told what is being trained."""

    def start(self, what: str, steps: int) -> None:
        """A training of so many steps begins."""

    def step(self, what: str, done: int) -> None:
        """So many steps are done; `what` says how it stands."""


def load_network(path: Path) -> tf.keras.Model:
    """A functional or sequential Keras model of a file.

    Raises:
        DataError: the file is missing or no Keras model, or the model has no graph to read.
    """
    import tensorflow as tf

    # Layers of a search space are known to Keras once these are imported.
    from vision_components.model_graph import functional

    if not path.exists():
        raise DataError(f"model {path} does not exist; give a file that model.save wrote")
    try:
        model = tf.keras.models.load_model(path, compile=False)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        reason = str(error).strip().split("\n")[0][:200]
        raise DataError(
            f"model {path} cannot be read as a Keras model ({reason}); give a .keras file of a functional model whose "
            "layers are Keras' own or registered"
        ) from None
    return functional(model)


def search_network(
    model: tf.keras.Model, images: LabelledImages, choices: SearchChoices, out: Path, progress: Progress
) -> list[Found]:
    """Search, cut, train to the end and write; what was trained before in the same folder is not trained again.

    Args:
        model: with one output of numbers a class, or one called `logits`.
        images: labelled; a part is held out.
        choices: as they are; kept in `search.json`, and another search is not mixed with it.
        out: folder of the results.
        progress: is told.

    Returns:
        The model to begin with, then what was found for each budget.

    Raises:
        DataError: model and images do not fit, the folder holds another search, or a budget cannot be met.
    """
    import tensorflow as tf

    whole = Classifier.of(model, images, choices.pixels)
    _claim(out, model, images, choices)
    tf.keras.utils.set_random_seed(choices.seed)
    train, judge = split_rows(images, choices.held_out, choices.seed)
    batches = whole.batches(train, choices.batch_size, choices.seed)
    cost_of = _cost_of(images, choices)
    cost = cost_of(model)
    results = [_measured("model", whole, cost.full, cost.full, judge)]
    for cut in _searched(whole, cost_of, batches, choices, out, progress):
        classifier = replace(whole, model=cut.model)
        if choices.finish != "none":
            _finish(classifier, batches, choices, out / "state" / cut.name, progress)
        results.append(_written(_measured(cut.name, classifier, cut.cost, cost.full, judge), cut, out))
    rows = [asdict(one) for one in results]
    (out / "summary.json").write_text(
        json.dumps({"unit": cost.unit, "models": rows}, indent=1) + "\n", encoding="utf-8"
    )
    return results


@dataclass(frozen=True)
class _Cut:
    """A result of the search, not yet trained to the end.

    Attributes:
        name: of its file.
        model: smaller.
        architecture: which channels of the model to begin with it was cut to.
        widths: of the smaller model by group; of `morphnet` wider than the architecture.
        cost: in the resource's unit.
    """

    name: str
    model: tf.keras.Model
    architecture: Architecture
    widths: Mapping[str, int]
    cost: float


def _searched(
    whole: Classifier,
    cost_of: Callable[[tf.keras.Model], Cost],
    batches: tf.data.Dataset,
    choices: SearchChoices,
    out: Path,
    progress: Progress,
) -> list[_Cut]:
    """What is found for each budget."""
    import tensorflow as tf

    from vision_components.structure.figs import FigsSettings, figs
    from vision_components.structure.morphnet import MorphNetSettings, morphnet

    told: dict[str, Any] = {
        "loss": whole.loss,
        "callbacks": [_watch("search", progress), tf.keras.callbacks.CSVLogger(out / "search.csv", append=True)],
        "state": out / "state" / "search",
        "round_to": choices.round_to,
    }
    names = [f"small_{100 * share:g}" if len(choices.budgets) > 1 else "small" for share in choices.budgets]
    if choices.method == "morphnet":
        [share] = choices.budgets
        widening = MorphNetSettings(epochs=choices.epochs, learning_rate=choices.learning_rate)
        result = morphnet(whole.model, cost_of, batches, share, widening, **told)
        last = result.rounds[-1]
        return [_Cut(names[0], result.small(), last.shrunk, result.widths, last.widened.cost)]
    cost = cost_of(whole.model)
    settings = FigsSettings(epochs=choices.epochs, learning_rate=choices.learning_rate, seed=choices.seed)
    found = figs(cost, batches, choices.budgets, settings, **told)
    inputs = [pixels for pixels, _ in batches]
    fresh = choices.finish == "scratch"
    return [
        _Cut(name, found.small(place, fresh=fresh, measured_on=None if fresh else inputs), one, one.widths, cost(one))
        for place, (name, one) in enumerate(zip(names, found.architectures, strict=True))
    ]


def _finish(
    classifier: Classifier, batches: tf.data.Dataset, choices: SearchChoices, state: Path, progress: Progress
) -> None:
    """Train a small model to the end, its rate falling along a cosine."""
    import tensorflow as tf

    steps = choices.finish_epochs * int(batches.cardinality())
    rate = tf.keras.optimizers.schedules.CosineDecay(choices.learning_rate, max(1, steps))
    classifier.model.compile(tf.keras.optimizers.Adam(rate), classifier.loss)
    # Built now, so that what was kept of an interrupted training has where to go.
    classifier.model.optimizer.build(classifier.model.trainable_variables)
    kept = tf.keras.callbacks.BackupAndRestore(str(state), delete_checkpoint=False)
    watching = [_watch(choices.finish, progress), kept]
    classifier.model.fit(batches, epochs=choices.finish_epochs, callbacks=watching, verbose=0)


def _watch(what: str, progress: Progress) -> tf.keras.callbacks.Callback:
    """Tells of every step of a training."""
    import tensorflow as tf

    class Watch(tf.keras.callbacks.Callback):
        def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
            progress.start(what, self.params["epochs"] * (self.params["steps"] or 1))

        def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            self.epoch = epoch

        def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
            cost = f", cost {logs['cost']:.0%}" if logs and "cost" in logs else ""
            done = self.epoch * (self.params["steps"] or 1) + batch + 1
            progress.step(f"{what}, epoch {self.epoch + 1} of {self.params['epochs']}{cost}", done)

    return Watch()


def _cost_of(images: LabelledImages, choices: SearchChoices) -> Callable[[tf.keras.Model], Cost]:
    from vision_components.structure import ChannelGraph
    from vision_components.structure.devices import measured_device
    from vision_components.structure.resources import FLOPs, Params
    from vision_components.structure.roofline import Roofline

    shape = images.pixels.shape[1:]
    device = measured_device() if choices.device == "measured" and choices.resource == "latency" else choices.device

    def cost_of(model: tf.keras.Model) -> Cost:
        graph = ChannelGraph(model, pin=choices.pin)
        if choices.resource == "params":
            return Params(graph)
        if choices.resource == "latency":
            return Roofline(graph, device, input_shape=shape)
        return FLOPs(graph, shape)

    return cost_of


def _claim(out: Path, model: tf.keras.Model, images: LabelledImages, choices: SearchChoices) -> None:
    """Keep what is searched for in the folder, or see that it is the same as there."""
    from vision_components.structure import ChannelGraph

    values = {
        "schema_version": SCHEMA_VERSION,
        "model": ChannelGraph(model).fingerprint(),
        "images": hashlib.sha256(images.pixels.tobytes() + images.labels.tobytes()).hexdigest(),
        "choices": asdict(choices),
    }
    # As it is read back: tuples are lists there.
    values = json.loads(json.dumps(values))
    path = out / "search.json"
    if path.exists():
        kept = json.loads(path.read_text(encoding="utf-8"))
        other = [name for name in ("model", "images") if kept.get(name) != values[name]]
        own = kept.get("choices", {})
        other += [name for name, value in values["choices"].items() if own.get(name) != value]
        if other:
            raise DataError(f"{out} holds another search, which differs in {', '.join(other)}; give another folder")
    out.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


def _measured(name: str, classifier: Classifier, cost: float, whole: float, judge: LabelledImages) -> Found:
    from vision_components.multiply_adds import count_macs

    return Found(
        name,
        cost / whole,
        cost,
        count_macs(classifier.model, judge.pixels.shape[1:]),
        classifier.model.count_params(),
        classifier.accuracy(judge),
    )


def _written(found: Found, cut: _Cut, out: Path) -> Found:
    """Model, architecture and picture of one result."""
    from vision_components.structure.widths_picture import widths_picture

    suffix = cut.name.removeprefix("small")
    files = [out / f"{cut.name}.keras", out / f"architecture{suffix}.json", out / f"widths{suffix}.svg"]
    cut.model.save(files[0])
    cut.architecture.save(files[1])
    before = {one.group: one.before for one in cut.architecture.changes()}
    title = f"{cut.model.name}: {found.share:.0%} of the cost, {found.accuracy:.1%} right"
    drawn = widths_picture(list(before), list(before.values()), [cut.widths[name] for name in before], title)
    files[2].write_text(drawn, encoding="utf-8")
    return replace(found, files=tuple(map(str, files)))
