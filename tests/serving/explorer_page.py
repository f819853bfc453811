"""The explorer, asked by its interface and by hand on its page."""

import json
import urllib.error
import urllib.request

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

HOSTILE = "<img src=x onerror=alert(1)>"


def address(service):
    return f"http://127.0.0.1:{service.service.ports.http}/explorer"


def ask(service, path, body=None, token=None):
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{address(service)}/api/{path}", data, headers)) as answer:
        return json.loads(answer.read())


def refused(service, path, body=None, token=None):
    with pytest.raises(urllib.error.HTTPError) as caught:
        ask(service, path, body, token)
    content = json.loads(caught.value.read())
    caught.value.close()
    return caught.value.code, content["field"], content["description"]


def request_of(query, **changes):
    given = {
        "request_id": query.request_id,
        "item_ids": list(query.item_ids),
        "context": query.context.tolist(),
        "features": query.features.tolist(),
        "slate_size": query.slate_size,
    }
    return {**given, **changes}


def answers(browser, count=1):
    browser.find_element(By.ID, "rank").click()
    return wait(browser, lambda: _exactly(browser.find_elements(By.CLASS_NAME, "answer"), count))


def _exactly(found, count):
    return found if len(found) == count else None


def type_request(browser, request):
    field = browser.find_element(By.ID, "request")
    browser.execute_script("arguments[0].value = arguments[1]", field, json.dumps(request))
    browser.find_element(By.ID, "slate_size").clear()


def wait(browser, condition):
    return WebDriverWait(browser, 10, poll_frequency=0.05).until(lambda _: condition())
