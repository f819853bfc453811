"""The explorer: its API over HTTP, and its page in a real Chromium."""

import shutil
import urllib.error
import urllib.request

import numpy as np
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from serving.config import ServiceConfig
from serving.models.traffic import Traffic
from serving.security.tokens import new_token
from tests.chromium import complaints, fits_a_narrow_window
from tests.serving.credentials import entry, written
from tests.serving.explorer_page import HOSTILE, address, answers, ask, refused, request_of, type_request, wait
from tests.serving.running import RunningService
from tests.serving.small_bundles import CONTEXT, ITEM, make_bundle, make_query

V1, V2 = "20240101T000000Z-00000000", "20240102T000000Z-00000000"
NOTHING = "\N{EN DASH}"


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """Two versions; the second has no gate."""
    root, made = tmp_path_factory.mktemp("bundles"), tmp_path_factory.mktemp("made")
    for version, kinds in ((V1, ("base_ranker", "gate", "seq2slate", "labeller")), (V2, ("base_ranker",))):
        shutil.copytree(make_bundle(made, version, kinds=kinds).folder, root / version)
    return root


@pytest.fixture(scope="module")
def service(bundles):
    config = {"models": {"root": bundles, "poll_seconds": 3600}, "listen": {"port": 0}, "monitoring": {"port": 0}}
    running = RunningService(ServiceConfig.model_validate(config))
    running.service.models.set_traffic(Traffic(stable=V1, shadow=V2, shadow_share=0.5))
    yield running
    running.stop()


def test_the_answer_has_the_slate_and_every_candidate_as_the_ranker_gives_them(service):
    query = make_query(seed=3)
    ranker = service.service.models.loaded[V1].ranker
    expected, answer = ranker.rank(query), ask(service, "rank", {"request": request_of(query), "version": V1})
    assert [item["item_id"] for item in answer["slate"]] == [query.item_ids[row] for row in expected.order]
    np.testing.assert_allclose([item["probability"] for item in answer["slate"]], expected.probabilities, rtol=1e-6)
    found = answer["candidates"]
    np.testing.assert_allclose([one["base_score"] for one in found], expected.base_scores)
    np.testing.assert_allclose([one["gate_score"] for one in found], expected.gate_scores)
    assert [one["passed"] for one in found] == expected.passed.tolist()
    assert sorted(one["base_rank"] for one in found) == list(range(1, len(found) + 1))
    assert [found[row]["place"] for row in expected.order] == [1, 2, 3, 4]
    assert set(answer["stage_ms"]) == {"gate", "base_ranker", "seq2slate", "labeller"}
    assert (answer["version"], answer["decoding"], answer["policy"]) == (V1, "full", "greedy")


def test_versions_and_golden_requests_are_listed(service, bundles):
    known = ask(service, "versions")
    assert (known["stable"], known["shadow"]) == (V1, {"version": V2, "share": 0.5})
    assert [(one["version"], one["state"]) for one in known["versions"]] == [(V1, "ready"), (V2, "ready")]
    first = ask(service, "requests")[0]
    assert (first["context_names"], first["feature_names"]) == (list(CONTEXT), list(ITEM))
    assert ask(service, "rank", {"request": first})["slate"]


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"request": request_of(make_query(), slate_size=99)}, "slate_size", "give 1 to"),
        ({"request": request_of(make_query()), "version": "absent"}, "bundle_version", "is not loaded"),
        ({"request": request_of(make_query()), "temperature": "warm"}, "temperature", "give a number"),
        ({"request": request_of(make_query()), "temperature": 1e9}, "exploration.temperature", "1000"),
        ({"request": {"request_id": "r"}}, "request", "item_ids"),
        ({}, "request", "valid dictionary"),
        ([], "request", "not an object"),
    ],
)
def test_mistakes_come_with_their_field_and_the_way_out(service, body, field, message):
    status, where, description = refused(service, "rank", body)
    assert (status, where) == (400, field)
    assert message in description


def test_with_tokens_the_api_asks_for_one_and_the_page_does_not(bundles, tmp_path):
    token = new_token()
    tokens = written(tmp_path / "tokens.yaml", entry(token))
    config = {"models": {"bundle": bundles / V1}, "listen": {"port": 0, "tokens": tokens}, "monitoring": {"port": 0}}
    running = RunningService(ServiceConfig.model_validate(config))
    try:
        for given in (None, "wrong"):
            assert refused(running, "versions", token=given)[:2] == (401, "token")
        assert ask(running, "versions", token=token)["stable"] == V1
        with urllib.request.urlopen(address(running)) as page:
            assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
            assert b"<title>" in page.read()
    finally:
        running.stop()


@pytest.fixture
def page(browser, service):
    browser.get(address(service))
    wait(browser, lambda: browser.find_element(By.ID, "request").get_attribute("value"))
    yield browser
    # A refused request is in the console as a failed load; nothing else may be.
    assert [line for line in complaints(browser) if "status of 400" not in line] == []


def column(answer, table, name):
    """The texts of a column of the answer's slate (0) or candidates (1)."""
    shown = answer.find_elements(By.TAG_NAME, "table")[table]
    names = [heading.text.split(" ▲")[0].split(" ▼")[0] for heading in shown.find_elements(By.TAG_NAME, "th")]
    place = names.index(name) + 1
    return [cell.text for cell in shown.find_elements(By.CSS_SELECTOR, f"tbody td:nth-child({place})")]


def test_a_golden_request_is_ranked_and_shown(page, bundles, service):
    [answer] = answers(page)
    golden = ask(service, "requests")[0]
    expected = ask(service, "rank", {"request": golden})
    assert column(answer, 0, "Item") == [item["item_id"] for item in expected["slate"]]
    assert answer.find_element(By.TAG_NAME, "h2").text == V1
    assert len(column(answer, 1, "Item")) == len(golden["item_ids"])
    assert len(answer.find_elements(By.CSS_SELECTOR, "tr.placed")) == len(expected["slate"])
    assert f"in service: {V1}" in page.find_element(By.ID, "traffic").text


def test_columns_sort_both_ways(page):
    [answer] = answers(page)
    heading = answer.find_elements(By.TAG_NAME, "table")[1].find_elements(By.TAG_NAME, "th")[3]
    for direction in ("ascending", "descending"):
        heading.find_element(By.TAG_NAME, "button").click()
        assert heading.get_attribute("aria-sort") == direction
        scores = [float(text) for text in column(answer, 1, "Base score")]
        assert scores == sorted(scores, reverse=direction == "descending")


def test_two_versions_stand_beside_each_other(page):
    Select(page.find_element(By.ID, "version")).select_by_value(V1)
    Select(page.find_element(By.ID, "other")).select_by_value(V2)
    found = answers(page, 2)
    assert [answer.find_element(By.TAG_NAME, "h2").text for answer in found] == [V1, V2]
    assert set(column(found[1], 1, "Gate score")) == {NOTHING}


def test_a_mistake_is_shown_at_its_field(page):
    page.find_element(By.ID, "slate_size").clear()
    page.find_element(By.ID, "slate_size").send_keys("99", Keys.ENTER)
    wait(page, lambda: "give 1 to" in page.find_element(By.ID, "mistake").text)
    assert page.find_element(By.ID, "slate_size").get_attribute("aria-invalid") == "true"
    assert page.switch_to.active_element == page.find_element(By.ID, "slate_size")
    type_request(page, {})
    browser_request = page.find_element(By.ID, "request")
    page.execute_script("arguments[0].value = '{'", browser_request)
    page.find_element(By.ID, "rank").click()
    wait(page, lambda: "not JSON" in page.find_element(By.ID, "mistake").text)
    assert browser_request.get_attribute("aria-invalid") == "true"


def test_a_temperature_draws_a_slate_with_its_propensity(page):
    page.find_element(By.ID, "temperature").send_keys("1")
    [answer] = answers(page)
    assert "propensity" in answer.text
    page.find_element(By.ID, "temperature").clear()


def test_the_keyboard_alone_ranks(page):
    page.find_element(By.ID, "golden").send_keys(Keys.TAB)
    for _ in range(5):
        page.switch_to.active_element.send_keys(Keys.TAB)
    assert page.switch_to.active_element == page.find_element(By.ID, "rank")
    page.switch_to.active_element.send_keys(Keys.ENTER)
    assert wait(page, lambda: page.find_elements(By.CLASS_NAME, "answer"))


def test_the_theme_switches(page):
    def colour():
        return page.execute_script("return getComputedStyle(document.body).backgroundColor")

    before = colour()
    page.find_element(By.ID, "theme").click()
    assert colour() != before
    page.find_element(By.ID, "theme").click()
    assert colour() == before


def test_what_strangers_wrote_is_shown_as_text(page):
    query = make_query(3)
    type_request(page, request_of(query, item_ids=[HOSTILE, "b", "c"], request_id=HOSTILE, slate_size=3))
    [answer] = answers(page)
    assert HOSTILE in column(answer, 0, "Item")
    assert not answer.find_elements(By.TAG_NAME, "img")


def test_it_fits_a_narrow_window(page):
    answers(page)
    assert fits_a_narrow_window(page)
