"""The example of docs/explanations.md runs on a bundle, and prints what the page says it shows."""

import re

from tests.page_examples import python_examples
from tests.planted_bundles import planted_bundle

[EXAMPLE] = python_examples("docs/explanations.md")


def test_the_example_names_what_the_place_hangs_on(tmp_path, monkeypatch, capsys):
    planted_bundle(tmp_path / "made")
    (tmp_path / "bundles").mkdir()
    (tmp_path / "made" / "bundles").rename(tmp_path / "bundles" / "marketplace")
    monkeypatch.chdir(tmp_path)
    exec(EXAMPLE, {})
    added, *others = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"quality = 0\.1 adds [+-]0\.\d{3}", added)
    assert others[0] == "gives: its presence makes the choice 7.09 times as probable"
    assert {line.split()[-4] for line in others[1:]} == {"1.00"}
