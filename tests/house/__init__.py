"""Tests of the house itself: imports, BUILD files, the command line, the documents."""
