"""The page in a real browser: Chromium runs it with a script that acts as a reader would."""

import base64

import pytest

from pipelines.report.page import write_report
from tests.chromium import chromium, complaints
from tests.pipelines.browser import seen_in_browser
from tests.pipelines.made_up_metrics import make_metrics, many

ACT = """
const press = (on, key) => on.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
const first = () => document.querySelector("[data-panel=clicks] tbody tr th").textContent;
const numeric = document.querySelector("[data-panel=clicks] thead th:nth-child(2)");
numeric.querySelector("button").click();
seen.descending = [first(), numeric.getAttribute("aria-sort")];
numeric.querySelector("button").click();
seen.ascending = [first(), numeric.getAttribute("aria-sort")];
const shown = () => [...document.querySelectorAll("[data-panel=clicks]")].map(panel => !panel.hidden);
const chooser = document.querySelector("[data-panels=clicks]");
chooser.value = "1";
chooser.dispatchEvent(new Event("change"));
seen.chosen = shown();
document.querySelector("a[href='#deciding-row']").click();
seen.decided = shown();
const box = document.querySelector("[data-filters=positions-table]");
box.value = "0.3200";
box.dispatchEvent(new Event("input"));
seen.filtered = [...document.querySelectorAll("#positions-table tbody tr")].filter(row => !row.hidden).length;
const curve = document.querySelector("#positions svg.curve");
press(curve, "End");
seen.end = document.getElementById("tip").textContent;
press(curve, "ArrowLeft");
seen.before = document.getElementById("tip").textContent;
const area = curve.getBoundingClientRect();
curve.dispatchEvent(new MouseEvent("mousemove", { clientX: area.left + area.width * 0.42, clientY: area.bottom }));
seen.pointed = document.getElementById("tip").textContent;
press(curve, "Escape");
seen.hidden = document.getElementById("tip").hidden;
const ground = () => getComputedStyle(document.body).backgroundColor;
const light = ground();
document.getElementById("theme").click();
seen.themes = [light, ground(), document.documentElement.dataset.theme];
seen.wide = document.documentElement.scrollWidth - innerWidth;
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What the acting script saw, and what the browser complained about."""
    return seen_in_browser(make_metrics(), tmp_path_factory.mktemp("browser"), ACT)


def test_the_page_opens_from_a_file_without_any_complaint(seen):
    assert seen["problems"] == []
    assert seen["console"] == []
    assert seen["wide"] <= 0


def test_a_click_on_a_heading_sorts_and_another_one_turns_the_order(seen):
    assert seen["descending"][0].startswith("Served")
    assert seen["descending"][1] == "descending"
    assert seen["ascending"] == ["Base ranker", "ascending"]


def test_the_chooser_shows_one_metric_and_the_verdict_s_link_goes_back_to_the_deciding_one(seen):
    assert seen["chosen"] == [False, True, False]
    assert seen["decided"] == [True, False, False]


def test_a_filter_keeps_the_rows_that_match(seen):
    assert seen["filtered"] == 1


def test_arrow_keys_walk_along_a_curve_and_escape_hides_its_words(seen):
    assert seen["end"].startswith("position 12: 0.0260 [")
    assert seen["before"].startswith("position 11: 0.0290 [")
    assert seen["hidden"] is True


def test_the_mouse_shows_the_nearest_point_of_a_curve(seen):
    # Twelve positions stand on the plot area, which begins a little to the right of the drawing's edge.
    assert seen["pointed"].startswith("position 5: 0.0640 [")


def test_the_theme_switches(seen):
    before, after, theme = seen["themes"]
    assert before != after
    assert theme in {"light", "dark"}


HIDDEN = "return [...document.querySelectorAll(arguments[0])].every(one => getComputedStyle(one).display === 'none')"
GROUND = "return getComputedStyle(document.body).backgroundColor"
# Between the margins of A4, at 96 pixels an inch.
PRINTED_WIDTH = 688


def test_the_page_prints_on_white_paper_without_what_only_a_screen_can_do(tmp_path):
    page = write_report(make_metrics(slices=many(500).slices), tmp_path)
    with chromium(tmp_path / "profile") as browser:
        browser.get(page.as_uri())
        browser.execute_script("document.documentElement.dataset.theme = 'dark'")
        assert browser.execute_script(GROUND) != "rgb(255, 255, 255)"
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": PRINTED_WIDTH, "height": 1000, "deviceScaleFactor": 1, "mobile": False},
        )
        assert browser.execute_script(GROUND) == "rgb(255, 255, 255)"
        assert browser.execute_script(HIDDEN, "nav, #theme, .chooser, .filter")
        assert not browser.execute_script(HIDDEN, "#slices-table")
        printed = base64.b64decode(browser.print_page())
        assert complaints(browser) == []
    assert printed.startswith(b"%PDF-")
    # Of 500 slices a sheet holds some tens.
    assert 10 < printed.count(b"/Type /Page\n") < 100
