"""Batches of examples that do not depend on the clock."""

from __future__ import annotations

from absl import flags
from tfx_bsl.coders import batch_util  # noqa: F401  (defines the flag)


def batch_by_size() -> None:
    """Let TFX cut batches by their bytes for the rest of this process.

    By default Beam chooses sizes by how long batches take. Sums over other batches are rounded otherwise, so that the
    constants of the Transform graph, and with them all that is trained on them, would differ in their last bits
    from run to run on a busy machine.
    """
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
    flags.FLAGS["tfxio_use_byte_size_batching"].value = True
