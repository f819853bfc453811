"""One way from a click log to training examples, in a process of its own, for memory that others used stays with it."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from benchmarks.ingest_data import FEATURES
from benchmarks.peak_memory import PeakMemory

BEAM_OPTIONS = ("--runner=DirectRunner", "--direct_running_mode=in_memory")


def main(way: str, log: Path, out: Path) -> None:
    """Print wall and processor seconds and the peak memory of one way as JSON."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    work = WAYS[way]()
    memory, start, used = PeakMemory(), time.perf_counter(), time.process_time()
    parts = work(log, out)
    measured = {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - used,
        "peak_mib": memory.mebibytes(),
        "written_bytes": sum(file.stat().st_size for file in out.rglob("*.gz")),
        "prepared_bytes": sum(file.stat().st_size for file in out.rglob("*.parquet")),
        **parts,
    }
    shutil.rmtree(out)
    print(json.dumps(measured))


def seriatim() -> Callable[[Path, Path], dict[str, float]]:
    """What a run does: `prepare_log` and the Beam pipeline of `ClickLogExampleGen`."""
    import apache_beam as beam

    from pipelines.components.example_gen import write_examples
    from pipelines.config import DataConfig
    from pipelines.ingest import prepare_log

    def work(log: Path, out: Path) -> dict[str, float]:
        start = time.perf_counter()
        prepared = prepare_log(DataConfig(path=log), 0, out / "input")
        seconds = time.perf_counter() - start
        with beam.Pipeline(argv=list(BEAM_OPTIONS)) as pipeline:
            write_examples(pipeline, str(prepared.folder), str(out), "")
        return {"prepare_seconds": seconds}

    return work


def per_row_beam() -> Callable[[Path, Path], dict[str, float]]:
    """A plain Beam pipeline in Python: a dictionary a row, grouped by request, one `tf.train.Example` each."""
    import apache_beam as beam
    import tensorflow as tf

    def example(request: tuple[str, Iterable[dict[str, Any]]]) -> tf.train.Example:
        request_id, found = request
        rows = sorted(found, key=lambda row: row["position"])
        made = tf.train.Example()
        features = made.features.feature
        features["request_id"].bytes_list.value.append(request_id.encode())
        features["timestamp"].int64_list.value.append(rows[0]["timestamp"])
        features["item_id"].bytes_list.value.extend(row["item_id"].encode() for row in rows)
        for name in ("position", "clicked"):
            features[name].int64_list.value.extend(row[name] for row in rows)
        features["propensity"].float_list.value.extend(row["propensity"] for row in rows)
        for name in FEATURES:
            of_request = name.startswith("context_")
            features[name].float_list.value.extend([rows[0][name]] if of_request else [row[name] for row in rows])
        return made

    def work(log: Path, out: Path) -> dict[str, float]:
        with beam.Pipeline(argv=list(BEAM_OPTIONS)) as pipeline:
            if log.suffix == ".csv":
                names = log.open(encoding="utf-8").readline().strip().replace('"', "").split(",")
                kinds = [KINDS.get(name, float) for name in names]

                def parsed(line: str) -> dict[str, Any]:
                    values = line.split(",")
                    return {name: kind(value) for name, kind, value in zip(names, kinds, values, strict=True)}

                rows = pipeline | beam.io.ReadFromText(str(log), skip_header_lines=1) | beam.Map(parsed)
            else:
                rows = pipeline | beam.io.ReadFromParquet(str(log))
            _ = (
                rows
                | beam.Map(lambda row: (row["request_id"], row))
                | beam.GroupByKey()
                | beam.Map(example)
                | beam.io.WriteToTFRecord(
                    f"{out}/data_tfrecord", file_name_suffix=".gz", coder=beam.coders.ProtoCoder(tf.train.Example)
                )
            )
        return {}

    return work


def group_by() -> Callable[[Path, Path], dict[str, float]]:
    """The floor: pyarrow reads all, pandas finds the requests, rows are sorted; nothing is checked or written."""
    import pandas as pd

    def work(log: Path, out: Path) -> dict[str, float]:
        table = pa.csv.read_csv(log) if log.suffix == ".csv" else pa.parquet.read_table(log)
        codes = pd.factorize(table["request_id"].to_pandas())[0]
        table = table.take(pa.array(np.lexsort((table["position"].to_numpy(), codes))))
        sizes = np.bincount(codes)
        return {"requests": float(len(sizes))}

    return work


def unquoted(text: str) -> str:
    """A CSV field without its quotation marks."""
    return text.strip('"')


KINDS: dict[str, Callable[[str], Any]] = {
    "request_id": unquoted, "item_id": unquoted, "timestamp": int, "position": int, "clicked": int
}  # fmt: skip
WAYS: dict[str, Callable[[], Callable[[Path, Path], dict[str, float]]]] = {
    "seriatim": seriatim,
    "per_row_beam": per_row_beam,
    "group_by": group_by,
}

if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
