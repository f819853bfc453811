"""Why here: the explorer's explanations over HTTP, and in a real Chromium."""

import asyncio
import gc
import json
import threading
import urllib.error
import weakref
from concurrent.futures import ThreadPoolExecutor, as_completed

import numpy as np
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from serving.config import ServiceConfig
from serving.explanations import load_background
from serving.explorer import explanations as explanations_module
from serving.explorer.explanations import MOST_UNFINISHED, Explanations
from serving.runtime import SlateRanker
from serving.security.tokens import new_token
from tests.chromium import complaints, fits_a_narrow_window
from tests.planted_bundles import VERSION, planted_bundle, planted_query
from tests.serving.credentials import entry, written
from tests.serving.explorer_page import HOSTILE, address, answers, ask, refused, request_of, type_request, wait
from tests.serving.running import RunningService
from tests.serving.small_bundles import make_query

TIMES = "\N{MULTIPLICATION SIGN}"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return planted_bundle(tmp_path_factory.mktemp("planted"))


@pytest.fixture(scope="module")
def service(bundle):
    config = {"models": {"bundle": bundle.folder}, "listen": {"port": 0}, "monitoring": {"port": 0}}
    running = RunningService(ServiceConfig.model_validate(config))
    yield running
    running.stop()


def explained(service, item, **changes):
    return ask(service, "explain", {"request": request_of(planted_query()), "item": item, **changes})


def test_the_item_a_place_hangs_on_is_named_first(service):
    told = explained(service, "wishes")
    assert (told["item_id"], told["version"], told["place"]) == ("wishes", VERSION, 1)
    first, *others = told["occlusion"]["neighbours"]
    assert first["item_id"] == "gives"
    assert first["context"] > 1
    assert (first["place_with"], first["place_without"]) == (1, 4)
    assert max(abs(other["context"]) for other in others) < 1e-5
    told = explained(service, "follows")
    assert told["place"] == 2
    assert told["occlusion"]["neighbours"][0]["item_id"] == "wishes"
    assert told["occlusion"]["neighbours"][0]["place_without"] is None


def test_contributions_add_up_to_the_base_score_that_is_shown(service):
    shown = ask(service, "rank", {"request": request_of(planted_query())})["candidates"]
    for candidate in shown:
        told = explained(service, candidate["item_id"])
        base = told["base"]
        total = base["expected"] + base["others"] + sum(one["contribution"] for one in base["contributions"])
        assert total == pytest.approx(candidate["base_score"], abs=1e-6)
        assert (told["base_rank"], told["place"]) == (candidate["base_rank"], candidate["place"])
        if told["place"] is None:
            assert (told["occlusion"], told["occlusion_reason"]) == (None, "not in the slate")


def test_a_drawn_slate_is_explained_as_it_was_drawn(service):
    body = {"request": request_of(planted_query()), "temperature": "2"}
    for place, item in enumerate(ask(service, "rank", body)["slate"], start=1):
        told = explained(service, item["item_id"], temperature="2")
        assert told["place"] == place
        assert np.exp(told["occlusion"]["log_probability"]) == pytest.approx(item["probability"], rel=1e-5)
        assert told["occlusion"]["places_compared"] is False


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"item": "absent"}, "item", "is none of the candidates"),
        ({"item": None}, "item", "None is none"),
        ({"item": ["gives"]}, "item", "is none of the candidates"),
        ({"version": "absent"}, "bundle_version", "is not loaded"),
        ({"request": {}}, "request", "request_id"),
        ({"request": request_of(make_query(2000))}, "item_ids", "give at most 1000"),
    ],
)
def test_mistakes_come_with_their_field_and_the_way_out(service, changes, field, message):
    status, where, description = refused(
        service, "explain", {"request": request_of(planted_query()), "item": "gives", **changes}
    )
    assert (status, where) == (400, field)
    assert message in description
    assert refused(service, "explain", [])[:2] == (400, "request")


def test_explanations_ask_for_a_token_where_the_service_does(bundle, tmp_path):
    token = new_token()
    tokens = written(tmp_path / "tokens.yaml", entry(token))
    config = {"models": {"bundle": bundle.folder}, "listen": {"port": 0, "tokens": tokens}, "monitoring": {"port": 0}}
    running = RunningService(ServiceConfig.model_validate(config))
    try:
        body = {"request": request_of(planted_query()), "item": "gives"}
        for given in (None, "wrong"):
            assert refused(running, "explain", body, given)[:2] == (401, "token")
        assert ask(running, "explain", body, token)["item_id"] == "gives"
    finally:
        running.stop()


def test_slates_are_ranked_while_explanations_wait_and_too_many_are_refused(bundle, monkeypatch):
    begun, may_go = threading.Event(), threading.Event()

    def held(*arguments):
        begun.set()
        assert may_go.wait(20)
        return load_background(*arguments)

    monkeypatch.setattr(explanations_module, "load_background", held)
    config = {"models": {"bundle": bundle.folder}, "listen": {"port": 0}, "monitoring": {"port": 0}}
    running = RunningService(ServiceConfig.model_validate(config))
    body = {"request": request_of(planted_query()), "item": "gives"}
    try:
        with ThreadPoolExecutor(MOST_UNFINISHED + 1) as asking:
            waiting = [asking.submit(ask, running, "explain", body) for _ in range(MOST_UNFINISHED + 1)]
            assert begun.wait(20)
            assert ask(running, "rank", body)["slate"]
            turned_away = next(as_completed(waiting))
            may_go.set()
            with pytest.raises(urllib.error.HTTPError) as caught:
                turned_away.result()
            assert caught.value.code == 503
            assert "explanations are being made" in json.loads(caught.value.read())["description"]
            caught.value.close()
            told = [future.result()["item_id"] for future in waiting if future is not turned_away]
            assert told == ["gives"] * MOST_UNFINISHED
    finally:
        may_go.set()
        running.stop()


def test_a_bundle_that_leaves_memory_takes_its_background_along(bundle):
    async def explained_once():
        ranker, query = SlateRanker(bundle), planted_query()
        told = await explanations.explain(ranker, query, ranker.rank(query), 0)
        return weakref.ref(ranker), told

    explanations = Explanations()
    left, told = asyncio.run(explained_once())
    explanations.close()
    gc.collect()
    assert told["item_id"] == "gives"
    assert left() is None


@pytest.fixture
def page(browser, service):
    browser.get(address(service))
    wait(browser, lambda: browser.find_element(By.ID, "request").get_attribute("value"))
    yield browser
    assert complaints(browser) == []


def opened(page, answer, item):
    """The panel that the item's button in the slate opens."""
    [button] = [one for one in answer.find_elements(By.CSS_SELECTOR, "td button") if one.text == item][:1]
    button.send_keys(Keys.ENTER)
    panel = answer.find_element(By.CLASS_NAME, "why")
    wait(
        page,
        lambda: panel.is_displayed() and panel.find_element(By.TAG_NAME, "h3").text.startswith(f"Why here: {item},"),
    )
    return button, panel


def cells(panel, table, row):
    shown = panel.find_elements(By.TAG_NAME, "table")[table].find_elements(By.CSS_SELECTOR, "tbody tr")[row]
    return [cell.text for cell in shown.find_elements(By.TAG_NAME, "td")]


def test_choosing_an_item_opens_what_its_place_hangs_on(page, service):
    [answer] = answers(page)
    _, panel = opened(page, answer, "wishes")
    told = explained(service, "wishes")
    assert panel.find_element(By.TAG_NAME, "h3").text == f"Why here: wishes, place 1, base rank {told['base_rank']}"
    largest = told["base"]["contributions"][0]
    name, _, adds, _ = cells(panel, 0, 0)
    assert (name, float(adds)) == (largest["feature"], pytest.approx(largest["contribution"], abs=1e-4))
    assert adds[0] in "+-"
    candidate, presence, competing, place = cells(panel, 1, 0)
    assert (candidate, competing, place) == ("gives", f"{TIMES} 1.00", "1 \N{RIGHTWARDS ARROW} 4")
    assert float(presence.split()[-1]) == pytest.approx(np.exp(told["occlusion"]["neighbours"][0]["context"]), rel=5e-3)
    assert presence.startswith(f"▲ {TIMES}")
    others = {one[0]: one for one in (cells(panel, 1, row) for row in range(1, 7))}
    assert {presence for _, presence, _, _ in others.values()} == {f"{TIMES} 1.00"}
    assert others["good"][2].startswith(f"\N{BLACK DOWN-POINTING TRIANGLE} {TIMES} 0.9")
    assert cells(panel, 2, 0)[0] in ("wants", "gives")


def test_bars_say_their_direction_in_words_and_in_colour(page):
    [answer] = answers(page)
    _, panel = opened(page, answer, "follows")
    bars = panel.find_elements(By.CSS_SELECTOR, "svg[role=img]")
    assert bars
    for bar in bars:
        tone = bar.get_attribute("class")
        assert f" {tone} the base score by " in bar.get_attribute("aria-label")
        [filled] = bar.find_elements(By.TAG_NAME, "rect")
        named = page.execute_script("return getComputedStyle(arguments[0]).fill", filled)
        assert named not in ("rgb(0, 0, 0)", "none")


def test_the_keyboard_opens_reads_and_closes_it(page):
    [answer] = answers(page)
    button, panel = opened(page, answer, "good")
    assert page.switch_to.active_element == panel.find_element(By.TAG_NAME, "h3")
    page.switch_to.active_element.send_keys(Keys.TAB)
    assert page.switch_to.active_element.text == "Close"
    page.switch_to.active_element.send_keys(Keys.ENTER)
    assert (panel.is_displayed(), page.switch_to.active_element) == (False, button)
    _, panel = opened(page, answer, "good")
    page.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert (panel.is_displayed(), page.switch_to.active_element) == (False, button)


def test_a_candidate_that_is_not_placed_has_its_contributions_and_a_reason(page):
    [answer] = answers(page)
    _, panel = opened(page, answer, "worst")
    assert "not in the slate" in panel.find_element(By.TAG_NAME, "h3").text
    assert "What its place hangs on is not told: not in the slate." in panel.text
    assert len(panel.find_elements(By.TAG_NAME, "table")) == 1


def test_what_strangers_wrote_is_shown_as_text_and_both_themes_have_their_colours(page):
    names = [HOSTILE, *planted_query().item_ids[1:]]
    type_request(page, request_of(planted_query(), item_ids=names, slate_size=4))
    [answer] = answers(page)
    _, panel = opened(page, answer, "wishes")
    assert cells(panel, 1, 0)[0] == HOSTILE
    assert not answer.find_elements(By.TAG_NAME, "img")

    def colour():
        return panel.find_element(By.CSS_SELECTOR, "td.raises").value_of_css_property("color")

    before = colour()
    page.find_element(By.ID, "theme").click()
    assert colour() != before
    page.find_element(By.ID, "theme").click()


def test_it_fits_a_narrow_window(page):
    [answer] = answers(page)
    opened(page, answer, "wishes")
    assert fits_a_narrow_window(page)
