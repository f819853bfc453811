"""Decoders of which the widths were searched, beside those of given widths."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.codec_pictures import Picture
from vision_components.codec import Codec, TrainingPlan, search_decoder


def searched_widths(
    work: Path, codec: Codec, training: list[Picture], shares: Sequence[float], plan: TrainingPlan
) -> list[tuple[int, ...]]:
    """Widths within shares of a codec's own decoder, from `work` where they are there.

    Args:
        work: folder.
        codec: with the full decoder, trained.
        training: pictures.
        shares: of its multiply-adds, rising.
        plan: of the search.
    """
    kept = work / f"searched-{plan.distortion_weight:g}-{plan.steps}-{'-'.join(f'{share:g}' for share in shares)}.json"
    if not kept.exists():
        kept.write_text(json.dumps(search_decoder(codec, training, shares, plan)), encoding="utf-8")
    return [tuple(widths) for widths in json.loads(kept.read_text(encoding="utf-8"))]
