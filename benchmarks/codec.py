"""The image codec with full and narrow decoders on Kodak, beside JPEG and WebP.

For every weight of the distortion one codec is trained (encoder, hyperprior, tables). All decoders that are compared,
the full ones too, are then trained from scratch on the latents of that codec, which stays as it is: their files are the
same to the byte, and a BD-rate between them shows the quality of decoders alone. Widths are also searched, within the
cost of the narrow decoder and within 25 % of the full one's, beginning with the full one. A codec has as many steps as
the budget allows, a decoder or a search half as many. Bits per pixel are those of whole files. Rates and qualities are
averaged over pictures at constant weight (or at constant quality for JPEG and WebP). Codecs are kept in `--work`, one
that is there is not trained again. Times are medians in turns within one run.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.codec_pictures import Picture, read_pictures
from benchmarks.codec_rivals import RIVALS, opened, rival_files
from benchmarks.codec_times import decode_seconds
from benchmarks.harness import parse_options, report
from seriatim_errors import DataError
from vision_components.codec import (
    Codec,
    CodecDesign,
    TrainingPlan,
    bd_rate,
    decoder_macs,
    load_codec,
    ms_ssim,
    ms_ssim_decibels,
    psnr,
    save_codec,
    train_codec,
    train_decoder,
)
from vision_components.codec.decoder_search import EPOCHS, search_decoder

NEEDS = {
    "minutes": 150,
    "least": 4,
    "small": ["--weights", "0.002", "0.03", "--channels", "16", "--latents", "24", "--patch", "64", "--pictures", "4"],
    "data": ["kodak", "camvid_sky"],
    "work": True,
}
# Of the published narrow decoder (79, 22, 43 channels where the full one has 192).
PUBLISHED = (79 / 192, 22 / 192, 43 / 192)
FULL, REFERENCE, JOINT, NARROW = "full GDN1", "full GDN", "trained together", "narrow"
# Searched decoders: one of the narrow one's cost, and one of this share of the full one's.
SEARCHED, WIDER, WIDER_SHARE = "searched", "searched, 25 %", 0.25
SPARE = 0.85
Point = dict[str, float]


@dataclass(frozen=True)
class Decoder:
    """A decoder to compare: its name, activation and the widths of its inner layers."""

    name: str
    activation: str
    widths: tuple[int, ...]


def main() -> None:
    options = parse_options(
        "codec",
        __doc__ or "",
        ("--data", {"type": Path, "default": Path("../shared/data/kodak"), "help": "folder of test pictures"}),
        ("--train", {"type": Path, "default": Path("../shared/data/camvid_sky/train.tar"), "help": "folder or tar"}),
        ("--work", {"type": Path, "default": Path("runs/codec"), "help": "folder of what was trained so far"}),
        ("--weights", {"type": float, "nargs": "+", "default": [0.002, 0.008, 0.03], "help": "of the distortion"}),
        ("--channels", {"type": int, "default": 64, "help": "of the encoder and of the full decoders"}),
        ("--latents", {"type": int, "default": 96}),
        ("--patch", {"type": int, "default": 128}),
        ("--pictures", {"type": int, "help": "test pictures, in place of all"}),
        ("--steps", {"type": int, "help": "of every training, in place of the budget"}),
        ("--decoder", {"action": "append", "default": [], "help": "another decoder: NAME:ACTIVATION:W,W,W"}),
    )
    given = options.extra
    given.work.mkdir(parents=True, exist_ok=True)
    tests = read_pictures(given.data, given.pictures)
    training = list(read_pictures(given.train).values())
    decoders = decoders_of(given.channels, given.latents, given.decoder)
    design = CodecDesign(
        encoder=(given.channels,) * 3,
        latents=given.latents,
        hyper_encoder=(given.channels,) * 3,
        hyper_decoder=(given.channels, given.latents),
        decoder=(given.channels,) * 3,
    )
    steps = given.steps or _steps(given, training, design, decoders, options.budget)
    curves: dict[str, dict[float, Point]] = {}
    widths: dict[str, dict[float, tuple[int, ...]]] = {}
    codecs: dict[str, Codec] = {}
    for weight in given.weights:
        plan = TrainingPlan(weight, steps, patch=given.patch)
        codecs = trained(given.work, design, decoders, training, plan)
        kept = given.work / f"quality-{weight:g}-{steps}.jsonl"
        for name, codec in codecs.items():
            curves.setdefault(name, {})[weight] = mean_of(_measured(kept, name, codec, tests))
            widths.setdefault(name, {})[weight] = widths_of(codec)
    rivals = {name: _rival_curve(given.work / f"{name}.jsonl", name, tests) for name in RIVALS}
    seconds, entropy, jpeg = decode_seconds(codecs, *_middling(tests))
    times = {name: taken / seconds[REFERENCE] for name, taken in seconds.items()}
    figures = figures_of(curves, rivals) | {
        "entropy_decoding_over_full_gdn": entropy / seconds[REFERENCE],
        "jpeg_decoding_over_full_gdn": jpeg / seconds[REFERENCE],
        "full_gdn_milliseconds": 1000 * seconds[REFERENCE],
    }
    # Whatever draws, the file is unpacked before.
    whole = {name: (entropy + seconds[REFERENCE]) / (entropy + taken) for name, taken in seconds.items()}
    figures |= {f"{_word(name)}_decodes_times_as_fast": ratio for name, ratio in whole.items() if name != REFERENCE}
    activations = {decoder.name: decoder.activation for decoder in decoders}
    settings = {
        "training_pictures": len(training),
        "test_pictures": len(tests),
        "steps": steps,
        "batch": 8,
        "patch": given.patch,
        "encoder_channels": given.channels,
        "latents": given.latents,
        "activations": activations,
    }
    report(options, settings, figures, rows_of(curves, rivals, widths, activations, times))


def decoders_of(channels: int, latents: int, more: Iterable[str] = ()) -> list[Decoder]:
    """Full decoders with each activation, one of published proportions, an even one of its cost, and one's own."""
    narrow = tuple(max(1, round(channels * share)) for share in PUBLISHED)
    budget = decoder_macs(latents, narrow)
    even = max(width for width in range(1, channels + 1) if width == 1 or decoder_macs(latents, (width,) * 3) <= budget)
    found = [
        Decoder(REFERENCE, "gdn", (channels,) * 3),
        Decoder(FULL, "gdn1", (channels,) * 3),
        Decoder("full ReLU", "relu", (channels,) * 3),
        Decoder(NARROW, "gdn1", narrow),
        Decoder("narrow, even", "gdn1", (even,) * 3),
    ]
    for text in more:
        name, activation, widths = text.split(":")
        found.append(Decoder(name, activation, tuple(int(width) for width in widths.split(","))))
    return found


def trained(
    work: Path, design: CodecDesign, decoders: Iterable[Decoder], training: list[Picture], plan: TrainingPlan
) -> dict[str, Codec]:
    """The codec of a weight and its copies with each decoder, from `work` where they are there."""

    def kept(name: str, train: Callable[[], Codec]) -> Codec:
        folder = work / f"{plan.distortion_weight:g}-{plan.steps}-{name.replace(',', '').replace(' ', '_')}"
        if not folder.exists():
            begun = time.perf_counter()
            save_codec(train(), folder, with_graph=False)
            print(f"{folder.name}: trained in {time.perf_counter() - begun:.0f} s", flush=True)
        return load_codec(folder)

    base = kept(JOINT, lambda: train_codec(training, design, plan))
    costs = {one.name: decoder_macs(design.latents, one.widths) for one in decoders}
    budgets = [costs[NARROW] / costs[FULL], WIDER_SHARE]
    half = dataclasses.replace(plan, steps=max(EPOCHS, plan.steps // 2))
    found = {JOINT: base}
    for one in [*decoders, *_searched(work, base, training, half, budgets)]:
        widths = "x".join(map(str, one.widths))
        found[one.name] = kept(
            f"{one.name} {one.activation} {widths}",
            functools.partial(train_decoder, base, training, one.widths, one.activation, half),
        )
    return found


def _searched(
    work: Path, base: Codec, training: list[Picture], plan: TrainingPlan, budgets: list[float]
) -> list[Decoder]:
    """Widths for one weight, from the codec's own decoder, within shares of its cost; one search finds both."""
    path = work / f"{plan.distortion_weight:g}-{plan.steps}-searched.json"
    if not path.exists():
        found = [one.widths for one in search_decoder(base, training, budgets, plan)]
        path.write_text(json.dumps(found), encoding="utf-8")
        print(f"{path.stem}: {found}", flush=True)
    widths = json.loads(path.read_text(encoding="utf-8"))
    return [Decoder(name, "gdn1", tuple(one)) for name, one in zip((SEARCHED, WIDER), widths, strict=True)]


def mean_of(points: list[Point]) -> Point:
    """The mean of every measure over pictures."""
    return {name: float(np.mean([point[name] for point in points])) for name in points[0]}


def figures_of(curves: dict[str, dict[float, Point]], rivals: dict[str, dict[float, Point]]) -> dict[str, float]:
    """BD-rates in per cent over the full GDN decoder, and of the GDN1 one over rivals, where qualities are shared."""
    figures: dict[str, float] = {}
    for measure in ("PSNR", "MS-SSIM"):
        pairs = {_word(name): (curves[REFERENCE], points) for name, points in curves.items() if name != REFERENCE}
        pairs |= {f"full_gdn1_over_{_word(name)}": (points, curves[FULL]) for name, points in rivals.items()}
        for name, (reference, tested) in pairs.items():
            try:
                over = bd_rate(_curve(reference, measure), _curve(tested, measure))
            except DataError as error:
                # After few steps one decoder may reach no quality of another.
                print(f"no BD-rate of {name} by {measure}: {error}", flush=True)
            else:
                figures[f"{name}_bd_rate_{_word(measure)}"] = over
    return figures


def rows_of(
    curves: dict[str, dict[float, Point]],
    rivals: dict[str, dict[float, Point]],
    widths: dict[str, dict[float, tuple[int, ...]]],
    activations: dict[str, str],
    times: dict[str, float],
) -> list[dict[str, Any]]:
    """A row for every decoder at every weight, then for JPEG and WebP at every quality."""
    rows = []
    for name, points in curves.items():
        for weight, point in points.items():
            latents, *inner = widths[name][weight]
            cost = decoder_macs(latents, inner, activations.get(name, "gdn1"))
            rows.append(_row(name, f"weight {weight:g}", point, "x".join(map(str, inner)), cost, times[name]))
    for name, points in rivals.items():
        rows += [_row(name, f"quality {quality:g}", point, "", "", "") for quality, point in points.items()]
    return rows


def widths_of(codec: Codec) -> tuple[int, ...]:
    """Latents and the widths of the decoder's inner layers."""
    inner = (codec.synthesis.get_layer(f"up_{place}").filters for place in range(3))
    return codec.design.latents, *inner


def _row(name: str, setting: str, point: Point, widths: str, cost: Any, taken: Any) -> dict[str, Any]:
    return {
        "codec": name,
        "setting": setting,
        "decoder": widths,
        "bits per pixel": point["bpp"],
        "PSNR, dB": point["PSNR"],
        "MS-SSIM, dB": point["MS-SSIM"],
        "multiply-adds per pixel": cost,
        "synthesis over full GDN": taken,
    }


def measures(picture: Picture, content: bytes, decoded: Picture) -> Point:
    """Rate of a whole file, and the two qualities of what it decodes to."""
    pixels = picture.shape[0] * picture.shape[1]
    similarity = ms_ssim_decibels(ms_ssim(picture, decoded))
    return {"bpp": 8 * len(content) / pixels, "PSNR": psnr(picture, decoded), "MS-SSIM": similarity}


def _measured(kept: Path, name: str, codec: Codec, tests: dict[str, Picture]) -> list[Point]:
    def measure(picture: Picture) -> Point:
        content = codec.encode(picture)
        return measures(picture, content, codec.decode(content))

    return [
        _once(kept, f"{name} {shown}", lambda picture=picture: measure(picture)) for shown, picture in tests.items()
    ]  # type: ignore[misc]


def _rival_curve(kept: Path, name: str, tests: dict[str, Picture]) -> dict[float, Point]:
    points: dict[float, list[Point]] = {}
    for shown, picture in tests.items():
        for quality, content in rival_files(name, picture):
            found = _once(kept, f"{quality} {shown}", functools.partial(_file_measures, picture, content))
            points.setdefault(float(quality), []).append(found)
    return {quality: mean_of(found) for quality, found in points.items()}


def _file_measures(picture: Picture, content: bytes) -> Point:
    return measures(picture, content, opened(content))


def _once(path: Path, key: str, make: Callable[[], Point]) -> Point:
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        row = json.loads(line)
        if row["key"] == key:
            return row["point"]
    point = make()
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"key": key, "point": point}) + "\n")
    return point


def _middling(tests: dict[str, Picture]) -> tuple[Picture, bytes]:
    """The first test picture, and its JPEG file at quality 50."""
    picture = next(iter(tests.values()))
    return picture, dict(rival_files("JPEG", picture))[50]


def _steps(given: Any, training: list[Picture], design: CodecDesign, decoders: list[Decoder], minutes: float) -> int:
    """Of every training, fixed once for a folder of work, from the seconds of a few steps."""
    path = given.work / "steps.json"
    if not path.exists():
        base = train_codec(training, design, TrainingPlan(steps=1, patch=given.patch))
        joint = _step_seconds(lambda count: train_codec(training, design, _plan(given, count)))
        full = Decoder(FULL, "gdn1", design.decoder)
        own = _step_seconds(
            lambda count: train_decoder(base, training, full.widths, full.activation, _plan(given, count))
        )
        every = len(given.weights) * (joint + (len(decoders) + 3) * own / 2)
        path.write_text(json.dumps({"steps": max(1, int(SPARE * 60 * minutes / every))}), encoding="utf-8")
    return int(json.loads(path.read_text(encoding="utf-8"))["steps"])


def _plan(given: Any, steps: int) -> TrainingPlan:
    return TrainingPlan(steps=steps, patch=given.patch)


def _step_seconds(train: Callable[[int], object], counts: tuple[int, int] = (2, 12)) -> float:
    """From the difference of two short trainings, so that what building the graph takes falls out."""
    taken = []
    for count in counts:
        begun = time.perf_counter()
        train(count)
        taken.append(time.perf_counter() - begun)
    return max(1e-3, (taken[1] - taken[0]) / (counts[1] - counts[0]))


def _curve(points: dict[float, Point], measure: str) -> list[tuple[float, float]]:
    return [(point["bpp"], point[measure]) for point in points.values()]


def _word(name: str) -> str:
    return name.lower().replace(",", "").replace(" ", "_").replace("-", "_")


if __name__ == "__main__":
    main()
