"""The example notebook, cell by cell in a real kernel, over runs whose metrics are made up."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.pipelines.made_up_runs import make_run

ROOT = Path(__file__).parents[2]

NOTEBOOK = ROOT / "docs" / "notebooks" / "offline_metrics.ipynb"


@pytest.fixture
def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


def executed(notebook, root, monkeypatch):
    """What each code cell showed as text, the notebook lying beside the runs as it does in a checkout."""
    place = root / "docs" / "notebooks"
    place.mkdir(parents=True)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("IPYTHONDIR", str(root / "ipython"))
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(place)}}).execute()
    return [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]


def test_the_notebook_shows_tables_and_draws_differences_and_slices_of_two_runs(notebook, tmp_path, monkeypatch):
    make_run(tmp_path / "runs", "one", age=60)
    make_run(tmp_path / "runs", "two", slices=None)
    cell = next(cell for cell in notebook.cells if "runs = []" in cell.source)
    cell.source = cell.source.replace("runs = []", 'runs = ["one", "two"]')
    outputs = executed(notebook, tmp_path, monkeypatch)
    texts = [output.data.get("text/plain", "") for shown in outputs for output in shown]
    drawings = [output.data["image/svg+xml"] for shown in outputs for output in shown if "image/svg+xml" in output.data]
    assert "'policies': 24" in texts[0]
    assert any("0.5222" in text and "two" in text for text in texts)
    # Two differences of two runs; of one run three slices that decide.
    assert [drawing.count("<circle") for drawing in drawings] == [4, 3]
    assert not [output for shown in outputs for output in shown if output.output_type in {"error", "stream"}]


def test_without_a_name_it_is_the_newest_run_and_absent_parts_are_empty(notebook, tmp_path, monkeypatch):
    make_run(tmp_path / "runs", "old", age=60)
    make_run(tmp_path / "runs", "new", slices=None, differences=(), policies=(), training={})
    outputs = executed(notebook, tmp_path, monkeypatch)
    texts = " ".join(output.data.get("text/plain", "") for shown in outputs for output in shown)
    assert "new" in texts
    assert "old" not in texts


def test_the_notebook_is_kept_without_outputs(notebook):
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not [cell for cell in cells if cell.outputs or cell.execution_count]
    assert NOTEBOOK.stat().st_size < 10_000
