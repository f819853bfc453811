"""The example of docs/labeller.md runs, and prints what the page says it shows."""

import numpy as np

from tests.page_examples import python_examples


def test_the_example_finds_the_links_and_beats_labels_one_by_one(capsys):
    [example] = python_examples("docs/labeller.md")
    given = {}
    exec(example, given)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["handmade attracts gift", "gift repels sale"]
    together, alone = (float(line.split(": ")[1]) for line in lines[2:])
    assert together > alone + 0.02
    assert given["labelings"].shape == (500, 3, 3)
    assert (np.diff(given["scores"], axis=1) <= 0).all()
    assert ((given["chances"] > 0) & (given["chances"] < 1)).all()
    assert given["picture"].svg.startswith("<svg")
