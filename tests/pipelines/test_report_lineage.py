"""Lineage as the store of metadata tells it, and its drawing."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.report.lineage import read_lineage
from pipelines.report.plots.flow import BOX_HEIGHT, BOX_WIDTH, FlowNode, flow
from pipelines.report.run_list import list_runs, run_named
from pipelines.report.served_pages import NOT_RECORDED, lineage_flow, render_lineage
from seriatim_errors import DataError
from tests.pipelines.made_up_lineage import FAILED, FIRST, SECOND, make_lineage
from tests.pipelines.made_up_metrics import HOSTILE, make_metrics
from tests.pipelines.made_up_runs import make_run
from tests.pipelines.page_tree import Tree


def test_the_newest_run_is_told_component_by_component_with_its_artifacts(tmp_path):
    lineage = read_lineage(make_lineage(tmp_path))
    assert lineage.started == SECOND
    assert [(step.component, step.state) for step in lineage.steps] == [
        ("ClickLogExampleGen", "cached"), ("BundleEvaluator", "made"), ("BundlePusher", "made"),
    ]  # fmt: skip
    _, evaluator, pusher = lineage.steps
    [(name, examples)] = evaluator.inputs
    assert name == "examples"
    assert lineage.artifacts[examples].facts == {"fingerprint": "f00d", "span": "7"}
    assert lineage.artifacts[examples].place == "artifacts/examples/1"
    assert [name for name, _ in pusher.inputs] == ["evaluation", "examples"]
    assert lineage.artifacts[evaluator.outputs[0][1]].place == "/elsewhere/evaluation"
    assert evaluator.settings == {"baseline": "", "code": "c0de"}


def test_parents_are_the_data_the_bundle_before_and_the_run_whose_outputs_are_used_again(tmp_path):
    lineage = read_lineage(make_lineage(tmp_path, baseline="/bundles/demo/v1"))
    assert lineage.baseline == "/bundles/demo/v1"
    assert [artifact.facts["fingerprint"] for artifact in lineage.data] == ["f00d"]
    assert [artifact.facts["pushed_version"] for artifact in lineage.pushed] == ["v2"]
    assert lineage.earlier == {FIRST: ["ClickLogExampleGen"]}


def test_the_store_is_left_as_it_was_and_its_folder_too(tmp_path):
    make_lineage(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    read_lineage(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_without_a_store_there_is_no_lineage_and_a_broken_one_is_named(tmp_path):
    assert read_lineage(tmp_path) is None
    (tmp_path / "metadata.sqlite").write_bytes(b"no database, only text that is long enough to be looked at" * 20)
    with pytest.raises(DataError, match=r"metadata\.sqlite cannot be read"):
        read_lineage(tmp_path)


def page_of(runs, name):
    run = run_named(name, runs)
    return render_lineage(run, read_lineage(run.folder) or NOT_RECORDED, list_runs(runs), "seed: 3\n", "../../")


def test_the_page_names_parents_and_links_the_run_that_made_the_bundle_before(tmp_path):
    older = make_metrics().run.model_copy(update={"bundle_version": "v1"})
    make_run(tmp_path, "older", age=60, run=older)
    make_lineage(make_run(tmp_path, "demo"), baseline="/bundles/demo/v1", state=FAILED)
    page = page_of(tmp_path, "demo")
    tree = Tree(page)
    assert tree.open == []
    assert len(tree.ids) == len(set(tree.ids))
    for expected in (
        "bundle v1 , made by the run older",
        "span: 7",
        "from the run of 2024-01-01 00:00:00 UTC in this folder: ClickLogExampleGen",
        "pushed_version: v2",
        "BundlePusher failed",
        "seed: 3",
    ):
        assert expected in tree.text
    assert "../../runs/older/lineage" in tree.links
    assert HOSTILE not in page


def test_a_run_without_a_store_says_so(tmp_path):
    make_run(tmp_path, "demo")
    text = Tree(page_of(tmp_path, "demo")).text
    assert "components no lineage recorded" in text
    assert "Components and what they put out" not in text


def test_the_drawing_links_who_made_an_artifact_to_who_took_it(tmp_path):
    drawing = lineage_flow(read_lineage(make_lineage(tmp_path)))
    assert [box.title for box in drawing.boxes] == ["ClickLogExampleGen", "BundleEvaluator", "BundlePusher"]
    assert [box.tone for box in drawing.boxes] == ["cached", "made", "made"]
    # Examples go to the evaluator and, past it, to the pusher: a lane and the way out of it.
    assert len(drawing.links) == 4


GRAPHS = st.integers(1, 9).flatmap(
    lambda count: st.tuples(
        st.just(count),
        st.sets(st.sampled_from([*itertools.combinations(range(count), 2)] or [(0, 0)]), max_size=14),
    )
)


@given(graph=GRAPHS)
def test_boxes_do_not_overlap_and_every_link_leads_down_along_its_way(graph):
    count, links = graph[0], sorted(link for link in graph[1] if link[0] < link[1])
    drawing = flow([FlowNode(f"n{index}", "", f"words {index}") for index in range(count)], links)
    boxes = drawing.boxes
    for one, other in itertools.combinations(boxes, 2):
        apart = abs(one.x - other.x) >= BOX_WIDTH or abs(one.y - other.y) >= BOX_HEIGHT
        assert apart
    for start, end in links:
        assert boxes[start].y < boxes[end].y
    for box in boxes:
        assert 0 <= box.x <= drawing.width - BOX_WIDTH
        assert 0 <= box.y <= drawing.height - BOX_HEIGHT
    assert reached(drawing, links, boxes)


def reached(drawing, links, boxes):
    """Whether from every box the paths with its words lead to those boxes, and to no others, that it is linked to."""
    for start, box in enumerate(boxes):
        steps = [ends_of(path) for path, words in drawing.links if words == box.words]
        places = {(box.x + BOX_WIDTH / 2, box.y + BOX_HEIGHT)}
        for _ in boxes:
            places |= {end for begin, end in steps if begin in places}
        found = {other for other, one in enumerate(boxes) if (one.x + BOX_WIDTH / 2, one.y) in places}
        if found != {end for begin, end in links if begin == start}:
            return False
    return True


def ends_of(path):
    numbers = path.replace("M", "").replace("V", " ").replace("C", " ").split()
    return (float(numbers[0]), float(numbers[1])), (float(numbers[-2]), float(numbers[-1]))


def test_a_link_that_leads_backwards_is_refused():
    with pytest.raises(ValueError, match="does not lead forwards"):
        flow([FlowNode("a", "", ""), FlowNode("b", "", "")], [(1, 0)])
