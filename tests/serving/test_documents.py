"""The examples of docs/users/back_ends.md run against a service."""

import pytest

from serving.config import ServiceConfig
from serving.events import read_events
from tests.page_examples import python_examples
from tests.serving.running import RunningService
from tests.serving.small_bundles import make_query


@pytest.fixture
def service(bundle, tmp_path):
    events = {"folder": tmp_path / "log"}
    config = {"models": {"bundle": bundle.folder}, "listen": {"port": 0}, "events": events}
    running = RunningService(ServiceConfig.model_validate(config))
    yield running
    running.stop()


def test_a_back_end_gets_a_slate_and_reports_a_click(service, tmp_path, capsys):
    examples = python_examples("docs/users/back_ends.md")
    query = make_query(12)
    given = {"item_ids": query.item_ids, "features": query.features, "context": query.context}
    for example in examples:
        exec(example.replace("127.0.0.1:8500", service.target), given)
    assert len(capsys.readouterr().out.splitlines()) == 10
    log = read_events(tmp_path / "log")
    assert [event["request_id"] for event in log.shown] == ["request-1"]
    assert [(event["request_id"], event["item_id"]) for event in log.acted] == [("request-1", "item-7")]
