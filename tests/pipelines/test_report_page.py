"""The page: every number is on it, nothing from the data is code, missing parts leave no hole."""

import html
import json
import re

import pytest

from pipelines.report.labeller_metrics import LabelSummary
from pipelines.report.metrics_file import PositionClicks
from pipelines.report.page import render, write_report
from pipelines.report.sections import label_sections, position_rows
from pipelines.report.wording import number, span
from ranking.metrics import wilson_interval
from seriatim_errors import DataError
from tests.pipelines.made_up_metrics import HOSTILE, UNDEFINED, blessing, make_labeller, make_metrics, policy
from tests.pipelines.page_tree import Tree


def test_every_ranking_number_is_on_the_page_with_its_interval_and_count():
    metrics = make_metrics()
    text = Tree(render(metrics)).text
    for section in label_sections(metrics):
        for panel in section.panels:
            for rows, digits, signed in (
                (panel.policies, panel.digits, False),
                (panel.differences, panel.difference_digits, True),
            ):
                assert rows
                for _, value in rows:
                    shown = f"{number(value.value, digits, signed)} {span(value, digits, signed)} {value.count:,}"
                    assert shown in text


@pytest.mark.parametrize(
    "expected",
    [
        "Blessed: this bundle may go out",
        "NDCG@10 on clicks: +0.0777 [+0.0654, +0.1011], 1,234 requests.",
        "must lie above -0.0200",
        "As recorded: ndcg_at_10 of the candidate minus base is +0.0777",
        "let 95.0 % of the positive items pass",
        "94.4 % did. The promise is kept, within the interval (-0.6 points). 71.3 %",
        "[0.9317, 0.9683]",
        "0.9444 [0.9321, 0.9678] 3,211",
        "SNIPS 0.00460 [0.00310, 0.00670] 0.00440 3,210 of 4,061 impressions 1.75 mean 0.99",
        "no difference from logged shown",
        "of 4 planted links 3 were found, and 1 of the 4 learned was not planted. Missed: vintage with sale.",
        "sale repels premium -0.711 1.422 ● planted handmade attracts vintage +0.611 1.222 ● planted",
        "Hamming loss lower is better 0.2411 [0.2288, 0.2645] 0.2733 [0.2610, 0.2967] -0.0322 [-0.0445, -0.0088] ▲",
        "subset accuracy 0.3111 [0.2988, 0.3345] 0.2222 [0.2099, 0.2456] +0.0889 [+0.0766, +0.1123] ▲ better",
        "macro F1 0.4951 [0.4828, 0.5185] 0.4941 [0.4818, 0.5175] +0.0010 [-0.0113, +0.0244] no difference shown",
        "611 items are both in the catalogue and in the training part of the log: 481 were learned from, 121 held out, "
        "9 have no known tag. 33 of the catalogue's 644 items were not shown there, and 22 of the 633 items",
        "vintage 150 320 11 31.9 %",
        "Weight of the squared weights: 0.01; 0.001 for the independent tags.",
        "not identifiable : the log holds no propensities",
        "not to be relied on : few decide the value",
        "training 12,345 432,100 35.0 29,876 6.91 %",
        "evaluation 3,211 98,765 30.8 6,543 6.62 %",
        "23 features. 4 rows in quarantine",
        "seq2slate: share of the request's clicks Predictions are off by 0.0171 on average over the bins; about 0.0132 "
        "of that would be there by chance alone. Brier score 0.0707 [0.0584, 0.0941], log loss 0.2803",
        "bin mean score clicked interval items requests 1 -0.5111 0.0489 [0.0366, 0.0723] 4,321 987",
        "item_price = up to 1.2 12.3 % 4,567 23.4 % [22.2 %, 25.7 %] 29.9 % [28.7 %, 32.3 %] 34.5 % [33.3 %, 36.8 %] "
        "+0.0456 [+0.0333, +0.0690]",
        "▲ more than before",
        "12,345 requests, 11,111 then. No column of 2 lies above the threshold of 0.1.",
        "price 0.0812 1.5 1.5 1.5 1.5 35.0 % 25.0 %",
        "i0042 3 ▲2 0.4511 0.6100 0.345",
        "under the threshold",
        "not known",
        "seq2slate: loss 3.5111 to 3.1222, best 3.1222 at step 2",
        "Base ranker: NDCG@10 0.4010 to 0.4900, best 0.5100 at step 50",
        "Transform 9.4 s made",
        "BaseRanker 0.0 s cached",
        "Seed 3, configuration c0ffee , data f00d .",
    ],
)
def test_every_part_shows_its_numbers(expected):
    assert expected in Tree(render(make_metrics())).text


def test_click_rates_have_their_wilson_interval():
    metrics = make_metrics()
    text = Tree(render(metrics)).text
    first = wilson_interval(320, 1000)
    assert f"1 0.3200 [{first.low:.4f}, {first.high:.4f}] 320 1,000" in text
    assert len(position_rows(metrics)) == 12


def test_positions_that_few_requests_reach_are_in_the_table_only():
    rows = (
        PositionClicks(position=1, impressions=1000, clicks=100),
        PositionClicks(position=2, impressions=5, clicks=1),
        PositionClicks(position=3, impressions=0, clicks=0),
    )
    page = render(make_metrics(position_clicks=rows, training={}, calibration=()))
    [points] = re.findall(r"data-points='([^']*)'", page)
    assert [words for _, _, words in json.loads(html.unescape(points))] == [
        "position 1: 0.1000 [0.0829, 0.1202], 100 clicks of 1,000 impressions"
    ]
    assert "2 0.2000" in Tree(page).text
    assert "less than 10 % of the most frequent" in Tree(page).text


def test_a_log_without_clicks_is_said_to_hold_none():
    data = make_metrics().data
    without = data.model_copy(update={"clicks": {"train": 0, "eval": 0}})
    assert "The log itself holds no clicks." in Tree(render(make_metrics(data=without))).text
    assert "holds no clicks" not in Tree(render(make_metrics())).text


def test_the_row_that_decided_is_marked_once():
    page = render(make_metrics())
    assert page.count('id="deciding-row"') == 1
    row = page[page.index('id="deciding-row"') :]
    assert "+0.0777" in row[: row.index("</tr>")]
    missing = render(make_metrics(differences=()))
    assert "deciding-row" not in missing[: missing.index("<script>")]


def test_a_refused_bundle_is_told_apart():
    text = Tree(render(make_metrics(blessing=blessing(blessed=False)))).text
    assert "Not blessed: keep what is in service" in text
    assert "Blessed: this bundle may go out" not in text


def test_cautions_stand_between_verdict_and_numbers():
    text = Tree(render(make_metrics())).text
    assert text.index("Blessed") < text.index("Before you decide") < text.index("of each policy")
    assert "Before you decide" not in Tree(render(make_metrics(off_policy=()))).text


def test_texts_from_the_data_are_escaped():
    metrics = make_metrics(
        training={HOSTILE: ({"step": 1.0, HOSTILE: 0.5},)},
        policies=(policy("served", HOSTILE, "clicks", 0.5), policy(HOSTILE, "'\"&", "grades", 0.5)),
    )
    page = render(metrics.model_copy(update={"run": metrics.run.model_copy(update={"name": HOSTILE})}))
    assert HOSTILE not in page
    assert "alert('x')" not in page
    # Once for the page's own script; what the data bring stays text.
    assert page.count("<script>") == 1
    assert Tree(page).text.count(HOSTILE) > 5


def test_the_page_is_well_formed_small_and_asks_nothing_of_the_network():
    page = render(make_metrics())
    tree = Tree(page)
    assert tree.open == []
    assert len(tree.ids) == len(set(tree.ids))
    anchors = {link[1:] for link in tree.links if link.startswith("#")}
    assert anchors <= set(tree.ids)
    assert {link for link in tree.links if not link.startswith("#")} == {"data:,"}
    assert "http" not in page.replace("http-equiv", "")
    assert len(page.encode()) < 1_000_000


@pytest.mark.parametrize(
    ("changes", "gone"),
    [
        ({"gate": None}, "gate"),
        ({"labeller": None}, "labels"),
        ({"off_policy": ()}, "off_policy"),
        ({"policies": (), "differences": ()}, "ranking-clicks"),
        ({"differences": ()}, "deciding-row"),
        ({"training": {}}, "training"),
        ({"training": {"gate": ()}}, "training"),
        ({"position_clicks": ()}, "positions"),
        ({"components": ()}, "components"),
        ({"slate_example": None}, "slate"),
        ({"calibration": ()}, "calibration"),
        ({"exposure": None}, "exposure"),
        ({"drift": None}, "drift"),
    ],
)
def test_missing_parts_leave_no_hole(changes, gone):
    assert gone in Tree(render(make_metrics())).ids
    tree = Tree(render(make_metrics(**changes)))
    assert gone not in tree.ids
    assert {link[1:] for link in tree.links if link.startswith("#")} <= set(tree.ids)
    assert "Blessed" in tree.text
    assert "None" not in tree.text


def test_undefined_values_and_metrics_that_one_policy_lacks_are_said_to_be_undefined():
    policies = (policy("base", "Base", "clicks", 0.4), policy("served", "Served", "clicks", 0.5))
    policies[0].metrics.pop("map")
    metrics = make_metrics(
        policies=policies, blessing=blessing(difference=UNDEFINED, blessed=False), off_policy=(), differences=()
    )
    tree = Tree(render(metrics))
    assert "No held-out request to compare Served with Base on, in NDCG@10." in tree.text
    assert "Without such a request there is none." in tree.text
    assert "Base not defined 0 Served" in tree.text
    assert "None" not in tree.text


def test_the_page_is_written_under_the_run(tmp_path):
    page = write_report(make_metrics(), tmp_path / "demo")
    assert page == tmp_path / "demo" / "report" / "index.html"
    assert page.read_text(encoding="utf-8") == render(make_metrics())
    assert [path.name for path in page.parent.iterdir()] == ["index.html"]


def test_a_folder_that_cannot_hold_the_page_is_named(tmp_path):
    (tmp_path / "report").write_text("in the way")
    with pytest.raises(DataError, match=r"report/index.html cannot be written"):
        write_report(make_metrics(), tmp_path)


def test_the_forest_is_drawn_with_signs_and_told_in_words():
    page = render(make_metrics())
    drawing = page[page.index('<svg class="labels"') :]
    drawing = drawing[: drawing.index("</svg>")]
    assert 'role="img" aria-label="The learned forest: 4 links between 6 tags; the table of links' in drawing
    assert drawing.count('class="attract"') == drawing.count(">+</text>") == 3
    assert drawing.count('class="repel"') == drawing.count(">\N{MINUS SIGN}</text>") == 1
    assert all(f">{name}</text>" in drawing for name in ("handmade", "vintage", "eco", "sale", "premium"))
    assert 'data-tip="sale repels premium: coupling -0.711, strength 1.422"' in drawing
    drawn = re.findall(r'data-tip="(.*?):.*?stroke-width="(.*?)"', drawing)
    assert max(drawn, key=lambda link: float(link[1]))[0] == "sale repels premium"


def test_a_catalogue_that_is_not_simulated_has_no_planted_links():
    text = Tree(render(make_metrics(labeller=make_labeller(planted_edges=None)))).text
    assert "planted" not in text
    assert "sale repels premium -0.711 1.422 handmade attracts vintage" in text


def test_labels_without_links_and_tags_that_never_differ_are_said_to_be_so():
    names = ("eco", "never")
    counts = [{"present": 5, "absent": 0, "unknown": 1}, {"present": 0, "absent": 0, "unknown": 6}]
    labels = tuple(LabelSummary(name=name, **known) for name, known in zip(names, counts, strict=True))
    labeller = make_labeller(labels=labels, left_out=("new", HOSTILE), edges=(), planted_edges=None)
    text = Tree(render(make_metrics(labeller=labeller))).text
    assert f"have or to lack are left out: new, {HOSTILE}." in text
    assert "No two tags were found to depend on each other" in text
    assert "eco 5 0 1 100.0 % never differs" in text
    assert "never 0 0 6 not defined never differs" in text
    assert "in words and numbers" not in text
