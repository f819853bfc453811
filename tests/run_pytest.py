"""What Bazel runs for a test target: pytest on the folder it names."""

import sys

import pytest

if __name__ == "__main__":
    sys.exit(pytest.main(sys.argv[1:]))
