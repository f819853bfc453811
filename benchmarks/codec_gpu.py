"""Decoders of the image codec on a GPU: how long drawing a picture takes, the ONNX graphs run by PyTorch.

`python -m benchmarks.codec_gpu --export --decoders FOLDER` writes the graphs where TensorFlow is; the same without
`--export` needs numpy, onnx and PyTorch. What weights say does not matter to time: they are random. All decoders take
turns within one run; a picture begins as latents in the host's memory and ends as floats there, and the device's own
share is measured with events around replays.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import parse_options, report

NEEDS = {"minutes": 3, "by_hand": "it wants a GPU and exported decoders, --decoders"}
# Name, activation, latents, and widths of the inner layers; the narrow one has the published proportions.
DECODERS = (
    ("full GDN", "gdn", 96, (64, 64, 64)),
    ("full GDN1", "gdn1", 96, (64, 64, 64)),
    ("full ReLU", "relu", 96, (64, 64, 64)),
    ("narrow", "gdn1", 96, (26, 7, 14)),
    ("full GDN1, published size", "gdn1", 192, (192, 192, 192)),
    ("narrow, published size", "gdn1", 192, (79, 22, 43)),
)
# Latents of a picture of 768 x 512.
HEIGHT, WIDTH, SPREAD = 32, 48, 3.0
TURNS, REPLAYS = 30, 20
FILE, DRAWN, CORNER = "decoders.json", "drawn.npz", 32


def main() -> None:
    options = parse_options(
        "codec_gpu",
        __doc__ or "",
        ("--decoders", {"type": Path, "required": True, "help": "folder of the graphs"}),
        ("--export", {"action": "store_true", "help": "write the graphs and end"}),
        ("--searched", {"nargs": "+", "default": [], "help": "with --export: another decoder's inner widths, W,W,W"}),
    )
    folder = options.extra.decoders
    if options.extra.export:
        _export(folder, options.extra.searched)
        return
    import torch

    decoders = json.loads((folder / FILE).read_text(encoding="utf-8"))
    rows, device = _measured(folder, decoders)
    whole = {row["latents"]: row["device ms"] for row in rows if row["decoder"].startswith("full GDN1")}
    for row in rows:
        row["device, over full GDN1"] = row["device ms"] / whole[row["latents"]]
    figures = {f"{row['decoder']} over full GDN1": row["device, over full GDN1"] for row in rows}
    settings = {"device": device, "torch": torch.__version__, "picture": f"{16 * WIDTH} x {16 * HEIGHT}"}
    report(options, settings, figures, rows)


def _export(folder: Path, searched: list[str]) -> None:
    from vision_components.codec import decoder_macs
    from vision_components.codec.networks import synthesis
    from vision_components.codec.onnx_decoder import export_decoder, onnx_decoder

    folder.mkdir(parents=True, exist_ok=True)
    own = [(f"searched {text}", "gdn1", 96, tuple(int(one) for one in text.split(","))) for text in searched]
    described, corners = [], {}
    for place, (name, activation, latents, widths) in enumerate((*DECODERS, *own)):
        path = folder / f"decoder_{place}.onnx"
        export_decoder(synthesis(latents, widths, activation), path)
        corners[path.name] = onnx_decoder(path)(_latents(latents))[0, :CORNER, :CORNER]
        macs = decoder_macs(latents, widths, activation)
        described.append({"name": name, "file": path.name, "latents": latents, "widths": widths, "macs": macs})
    np.savez(folder / DRAWN, **corners)
    (folder / FILE).write_text(json.dumps(described) + "\n", encoding="utf-8")


def _measured(folder: Path, decoders: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], str]:
    import torch

    from benchmarks.torch_onnx import TorchGraph

    if not torch.cuda.is_available():
        raise SystemExit("PyTorch finds no GPU here; benchmarks.codec measures decoders on a processor")
    graphs = [TorchGraph(folder / one["file"], torch.device("cuda")) for one in decoders]
    read = [_latents(one["latents"]) for one in decoders]
    corners = np.load(folder / DRAWN)
    whole: list[list[float]] = [[] for _ in decoders]
    alone: list[list[float]] = [[] for _ in decoders]
    for _ in range(TURNS + 1):
        for place, (graph, latents) in enumerate(zip(graphs, read, strict=True)):
            names, source = [graph.get_outputs()[0].name], graph.get_inputs()[0].name
            begun = time.perf_counter()
            graph.run(names, {source: latents})
            whole[place].append(1000 * (time.perf_counter() - begun))
            recording = graph.recording({source: latents.shape}, {source: latents})
            first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            first.record()
            for _ in range(REPLAYS):
                recording.graph.replay()
            last.record()
            torch.cuda.synchronize()
            alone[place].append(first.elapsed_time(last) / REPLAYS)
    rows = []
    for place, one in enumerate(decoders):
        drawn = graphs[place].run([graphs[place].get_outputs()[0].name], {"latents": read[place]})[0]
        promised = corners[one["file"]]
        rows.append(
            {"decoder": one["name"], "latents": one["latents"], "widths": "x".join(map(str, one["widths"])),
             "multiply-adds per pixel": one["macs"], "device ms": float(np.median(alone[place][1:])),
             "with transfers ms": float(np.median(whole[place][1:])),
             "off from ONNX Runtime": float(np.abs(drawn[0, :CORNER, :CORNER] - promised).max())}
        )  # fmt: skip
    return rows, torch.cuda.get_device_name()


def _latents(channels: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(channels)
    return np.rint(rng.normal(0, SPREAD, (1, HEIGHT, WIDTH, channels))).astype(np.float32)


if __name__ == "__main__":
    main()
