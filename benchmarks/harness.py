"""What all benchmarks share: their arguments, the machine's description, the table and the result file."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.needs import read_needs

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PACKAGES = (
    "numpy",
    "onnx",
    "lightgbm",
    "onnxruntime",
    "onnxruntime-gpu",
    "torch",
    "grpcio",
    "protobuf",
    "tensorflow",
    "tfx",
    "apache-beam",
)
# For processes that run beside one another: OpenMP's threads spin at barriers while others have the cores.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"
}  # fmt: skip


@dataclass(frozen=True)
class Options:
    """A benchmark's arguments: minutes it may take, and where its result goes."""

    budget: float
    out: Path
    extra: argparse.Namespace


def parse_options(name: str, description: str, *arguments: tuple[str, dict[str, Any]]) -> Options:
    """Read `--budget` (minutes, by default those that it says it needs), `--out` and its own `arguments`."""
    needs = read_needs(HERE / f"{name}.py", "benchmarks")
    minutes = 3.0 if needs is None else needs.minutes
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--budget", type=float, default=minutes, help=f"minutes it may take  [default: {minutes:g}]")
    parser.add_argument("--out", type=Path, default=RESULTS / f"{name}.json", help="result file")
    for flag, settings in arguments:
        parser.add_argument(flag, **settings)
    given = parser.parse_args()
    return Options(given.budget, given.out, given)


def machine() -> dict[str, Any]:
    """Processor, cores, memory, system, Python and package versions; nothing that names the machine."""
    cpu = next(
        (line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor(),
    )
    memory = next((int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**20, 1),
        "system": platform.system(),
        "python": platform.python_version(),
        "packages": versions,
    }


def report(options: Options, settings: dict[str, Any], figures: dict[str, float], rows: list[dict[str, Any]]) -> None:
    """Print `rows` as a table and write everything to `options.out`."""
    _print_table(rows)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    result = {
        "machine": machine(),
        "budget_minutes": options.budget,
        "settings": settings,
        "figures": figures,
        "rows": rows,
    }
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def _print_table(rows: list[dict[str, Any]]) -> None:
    cells = [[f"{value:.4g}" if isinstance(value, float) else str(value) for value in row.values()] for row in rows]
    # A machine that is borrowed for one benchmark may have only what that one measures.
    try:
        from rich.console import Console
        from rich.table import Table
    except ModuleNotFoundError:
        print("\n".join("\t".join(line) for line in [list(rows[0]), *cells]))
        return
    table = Table(*rows[0])
    for line in cells:
        table.add_row(*line)
    Console().print(table)


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []
