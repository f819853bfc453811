"""`python -m serving.check BUNDLE`: can the serving runtime load this bundle and keep its promises?"""

from __future__ import annotations

import sys
from pathlib import Path

from seriatim_errors import BundleError
from serving.bundle import open_bundle, self_test
from serving.features import bundle_features
from serving.runtime import SlateRanker


def check_bundle(folder: Path) -> str:
    """Verify, load and self-test the bundle in `folder`, and open its item features.

    Returns:
        A sentence that says what was done.

    Raises:
        BundleError: any of that fails, or TensorFlow was loaded on the way.
    """
    bundle = open_bundle(folder)
    golden = bundle.golden()
    self_test(SlateRanker(bundle), golden)
    if (items := bundle_features(bundle)) is not None:
        items.close_now()
    if "tensorflow" in sys.modules:
        raise BundleError("the serving runtime loaded TensorFlow; it must not")
    return f"bundle {bundle.manifest.version}: {len(golden)} golden requests ranked as promised"


if __name__ == "__main__":
    try:
        if len(sys.argv) != 2:
            raise BundleError("give one argument: the folder of the bundle to check")
        print(check_bundle(Path(sys.argv[1])))
    except BundleError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
