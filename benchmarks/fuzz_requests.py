"""Coverage-guided fuzzing of requests in one process: bytes to message to query to slate to answer.

    pip install atheris
    python -m benchmarks.fuzz_requests --bundles bundles/marketplace --seconds 60

The golden requests are the seeds. Only a refusal by name may come of any bytes; another exception ends the run with
status 77 and leaves the bytes in a file `crash-...`.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError

from seriatim_errors import SeriatimError, ServiceError

if TYPE_CHECKING:
    from serving.bundle import Bundle
    from serving.proto.seriatim.v1.ranking_pb2 import RankSlateRequest

MOST_BYTES = 64 << 10
LONGEST_INPUT = 4096
# Only these are instrumented: what a request passes through.
PACKAGES = ["serving.rpc", "serving.runtime"]


def main() -> None:
    """Fuzz until the time is over or something is found."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--bundles", type=Path, default=Path("bundles/marketplace"), help="its newest bundle ranks")
    parser.add_argument("--seconds", type=int, default=60, help="how long, 1 or more")
    parser.add_argument("--seed", type=int, default=1, help="of the mutations")
    given = parser.parse_args()
    try:
        atheris = load_atheris()
        with tempfile.TemporaryDirectory() as seeds:
            fuzz(atheris, given.bundles, Path(seeds), given.seconds, given.seed)
    except SeriatimError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def load_atheris() -> Any:
    """The fuzzer, which is no dependency of ours.

    Raises:
        ServiceError: it is not installed.
    """
    try:
        return importlib.import_module("atheris")
    except ImportError:
        raise ServiceError("atheris is not installed; 'pip install atheris' (Linux, Python 3.8 to 3.11)") from None


def fuzz(atheris: Any, bundles: Path, seeds: Path, seconds: int, seed: int) -> None:
    """Run libFuzzer on `answer` for `seconds`; does not return but ends the process.

    Raises:
        BundleError: there is no sound bundle under `bundles`.
    """
    with atheris.instrument_imports(include=PACKAGES):
        from serving.bundle import newest_bundle
        from serving.proto.seriatim.v1 import ranking_pb2
        from serving.rpc.message_reader import MessageTooLargeError, inflated
        from serving.rpc.requests import query_of
        from serving.rpc.responses import response_of
        from serving.runtime.query import InvalidRequestError
        from serving.runtime.ranker import SlateRanker

    bundle = newest_bundle(bundles)
    ranker = SlateRanker(bundle)
    for index, message in enumerate(golden_messages(bundle)):
        (seeds / str(index)).write_bytes(message.SerializeToString())

    def answer(raw: bytes) -> None:
        try:
            request = ranking_pb2.RankSlateRequest.FromString(inflated(raw, MOST_BYTES))
            slate = ranker.rank(query_of(request, ranker))
        except (DecodeError, InvalidRequestError, MessageTooLargeError, zlib.error):
            return
        response = response_of(request, slate, ranker.labeller)
        if len(response.SerializeToString()) == 0 or len(response.items) != request.slate_size:
            raise AssertionError(f"{len(response.items)} items for a slate of {request.slate_size}")

    flags = [f"-max_total_time={seconds}", f"-seed={seed}", f"-max_len={LONGEST_INPUT}", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *flags, str(seeds)], answer)
    atheris.Fuzz()


def golden_messages(bundle: Bundle) -> list[RankSlateRequest]:
    """The bundle's golden requests, with and without exploration and names, of few candidates each."""
    from serving.proto.seriatim.v1 import ranking_pb2

    golden, features, messages = bundle.golden(), bundle.manifest.features, []
    for index in range(len(golden)):
        first = int(golden.offsets[index])
        rows = slice(first, min(first + 4, int(golden.offsets[index + 1])))
        message = ranking_pb2.RankSlateRequest(
            request_id=f"golden-{index}",
            item_ids=golden.item_ids[rows].tolist(),
            context=ranking_pb2.FeatureVector(values=golden.context[index]),
            features=ranking_pb2.FeatureMatrix(values=golden.features[rows].astype("<f4").tobytes()),
            slate_size=1,
        )
        messages.append(message)
        named = ranking_pb2.RankSlateRequest()
        named.CopyFrom(message)
        named.context.names.extend(features.context)
        named.features.names.extend(features.item)
        named.exploration.temperature = 1.0
        messages.append(named)
    return messages


if __name__ == "__main__":
    main()
