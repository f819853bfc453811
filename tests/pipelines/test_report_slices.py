"""Slices on the page, in the terminal and among the cautions; a page of five hundred in a real browser."""

import io

import pytest
from rich.console import Console

from pipelines.report.cautions import cautions
from pipelines.report.metrics_file import read_metrics
from pipelines.report.page import render
from pipelines.report.slice_metrics import SliceName
from pipelines.report.slice_section import MOST_DRAWN, slice_section
from pipelines.report.summary import print_summary
from tests.pipelines.browser import seen_in_browser
from tests.pipelines.made_up_metrics import HOSTILE, blessing, make_metrics, make_slices, many, slice_row
from tests.pipelines.page_tree import Tree

HARM = slice_row("context_market", "17", -0.0777, at_most=-0.0311, count=120)
HARMLESS = make_slices().rows
MARKET = SliceName(column="context_market", value="17")


def harmed(margin, **changes):
    """Metrics with one slice that is certainly worse by 0.0311, and the verdict that follows from `margin`."""
    slices = make_slices(rows=(HARM, *HARMLESS), margin=margin)
    blocking = (MARKET,) if slices.blocking else ()
    verdict = blessing(blessed=not blocking, blocking_slices=blocking)
    return make_metrics(**{"slices": slices, "blessing": verdict, "off_policy": (), **changes})


def test_every_slice_is_in_the_table_with_count_value_difference_interval_and_bound():
    text = Tree(render(make_metrics())).text
    assert "As served minus Base" not in text
    assert "1 context_mobile = 1 567 of 600 0.511 [0.499, 0.534] +0.0111 [-0.0012, +0.0345] +0.0499" in text
    assert f"4 context_market = {HOSTILE} 3 of 36" in text
    assert "too few to decide" in text
    assert "5 context_market = new 0 of 33 not defined not defined not defined" in text
    assert "3 of 5 slices have the 100 requests it takes to decide. No slice is shown to be worse." in text


@pytest.mark.parametrize(
    ("margin", "expected"),
    [
        (None, "1 is shown to be worse , and no margin is set, so none blocks."),
        (0.05, "1 is shown to be worse , by no more than their margin."),
        (0.01, "1 blocks the push."),
    ],
)
def test_harm_is_told_with_what_follows_from_it(margin, expected):
    text = Tree(render(harmed(margin))).text
    assert expected in text
    assert ("Blocked by context_market = 17." in text) == (margin == 0.01)
    assert ("may be shown worse by more than" in text) == (margin is not None)
    assert ("▼ worse, blocks" in text) == (margin == 0.01)


def test_the_picture_holds_the_most_certain_harm_with_its_bound():
    page = render(harmed(0.01))
    part = page[page.index('<section id="slices"') :]
    part = part[: part.index("</section>")]
    # Those that decide; the bound of the one with three requests would make points of the others.
    assert part.count('<svg class="forest') == 4
    assert slice_section(make_metrics(slices=make_slices(rows=HARMLESS[3:]))).drawn[0].row == HARMLESS[3]
    assert 'aria-label="context_market = 17: -0.0777 [-0.0900, -0.0543], 120 requests, at most -0.0311' in part
    section = slice_section(many(40))
    assert len(section.drawn) == MOST_DRAWN
    first, mark = section.drawn[0], section.plot.rows[0]
    # In data -0.5 [-0.5123, -0.4766] and -0.4: the bound lies beyond the interval, as far as the axis says.
    assert mark.low < mark.value < mark.high < first.bound
    assert (first.bound - mark.value) / (mark.high - mark.low) == pytest.approx(0.1 / 0.0357, rel=0.01)


def test_slices_beyond_five_hundred_are_left_to_the_file():
    section = slice_section(many(503))
    assert (len(section.rows), section.left_out) == (500, 3)
    assert "the metrics file holds 3 more" in Tree(render(many(503))).text


def test_harm_that_does_not_block_is_cautioned_against_and_harm_that_blocks_is_not():
    [sentence] = cautions(harmed(None))
    assert sentence == (
        "In one slice the candidate is worse than 'Base ranker' without blocking the push, for no "
        "evaluation.slice_margin is set; this is context_market = 17: -0.0777 [-0.0900, -0.0543], 120 requests, "
        "at most -0.0311 corrected for 4 slices."
    )
    [sentence] = cautions(harmed(0.05))
    assert "the margin of slices is 0.0500" in sentence
    assert cautions(harmed(0.01)) == []
    twice = make_slices(rows=(HARM, HARM, *HARMLESS))
    [sentence] = cautions(make_metrics(slices=twice, off_policy=()))
    assert sentence.startswith("In 2 slices the candidate is worse")


@pytest.mark.parametrize(
    "verdict",
    [
        blessing(),
        blessing(blessed=False),
        blessing(blocking_slices=(MARKET,)),
        blessing(blessed=False, blocking_slices=(SliceName(column="context_market", value="18"),)),
    ],
)
def test_a_verdict_that_the_slices_contradict_is_cautioned_against(verdict):
    [sentence] = cautions(harmed(0.01, blessing=verdict))
    assert "does not follow from the rule" in sentence


def test_the_terminal_names_the_most_certain_harm(tmp_path):
    out = io.StringIO()
    print_summary(harmed(None), tmp_path, Console(file=out, width=200))
    assert "slices: 1 of 4 shown to be worse; the most certain harm is in context_market = 17" in out.getvalue()
    out = io.StringIO()
    print_summary(make_metrics(slices=None), tmp_path, Console(file=out, width=200))
    assert "slices:" not in out.getvalue()


def test_a_file_of_a_time_before_slices_is_read(tmp_path):
    old = make_metrics().model_dump(mode="json", exclude={"slices": True, "blessing": {"blocking_slices"}})
    path = tmp_path / "metrics.json"
    path.write_text(make_metrics().model_validate(old).model_dump_json(exclude={"slices", "blessing"})[:-1]
                    + ', "blessing": ' + blessing().model_dump_json(exclude={"blocking_slices"}) + "}")  # fmt: skip
    metrics = read_metrics(path)
    assert metrics.slices is None
    assert metrics.blessing.blocking_slices == ()
    assert "slices" not in Tree(render(metrics)).ids


ACT = """
seen.opened = performance.now();
const rows = () => [...document.querySelectorAll("#slices-table tbody tr")];
const shown = () => rows().filter(row => !row.hidden).map(row => row.cells[1].textContent);
seen.order = shown().slice(0, 2);
seen.count = shown().length;
const head = name => [...document.querySelectorAll("#slices-table thead th")].find(th => th.textContent === name);
const started = performance.now();
head("requests").querySelector("button").click();
head("requests").querySelector("button").click();
seen.fewest = shown().slice(0, 2);
head("harm").querySelector("button").click();
head("harm").querySelector("button").click();
seen.again = shown().slice(0, 2);
const box = document.querySelector("[data-filters=slices-table]");
box.value = "= m12";
box.dispatchEvent(new Event("input"));
seen.filtered = shown();
seen.sorting = performance.now() - started;
seen.wide = document.documentElement.scrollWidth - innerWidth;
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    return seen_in_browser(many(500), tmp_path_factory.mktemp("browser"), ACT)


def test_a_page_of_five_hundred_slices_stays_small_and_opens_without_a_complaint(seen):
    assert len(render(many(500)).encode()) < 800_000
    assert seen["problems"] == seen["console"] == []
    assert seen["wide"] <= 0
    assert seen["count"] == 500
    assert seen["opened"] < 10_000


def test_five_hundred_slices_sort_and_filter(seen):
    assert seen["order"] == seen["again"] == ["context_market = m0", "context_market = m1"]
    assert seen["fewest"] == ["context_market = m499", "context_market = m498"]
    assert seen["filtered"] == ["context_market = m12", *(f"context_market = m12{digit}" for digit in range(10))]
    assert seen["sorting"] < 5_000
