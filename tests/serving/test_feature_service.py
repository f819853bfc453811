"""The service with features in Redis: refused without them, and ranked with defaults while Redis is away."""

import urllib.request

import numpy as np
import pytest
import redis

from seriatim_errors import BundleError
from serving.client import RankingClient
from serving.config import ServiceConfig
from serving.features.item_keys import item_key
from serving.features.schema import StoreSchema
from tests.serving.redis_servers import running_redis
from tests.serving.running import RunningService
from tests.serving.served_process import until
from tests.serving.small_bundles import ITEM, make_query

QUERY = make_query(6, seed=9)


@pytest.fixture
def server():
    with running_redis() as started:
        yield started


def fill(server, names):
    """What `seriatim features load` would write for the query's items."""
    with redis.Redis(port=server.port) as client:
        for item_id, row in zip(QUERY.item_ids, QUERY.features, strict=True):
            client.set(b"seriatim:" + item_key(item_id), row[: len(names)].astype("<f4").tobytes())
        client.set("seriatim:__schema__", StoreSchema.of(names, len(QUERY.item_ids)).serialised())


def started(bundle, server):
    config = {
        "models": {"root": bundle.folder.parent, "poll_seconds": 0.02},
        "listen": {"port": 0},
        "features": {"store": "redis", "redis_url": server.url, "timeout_ms": 2000},
        "monitoring": {"port": 0},
    }
    return RunningService(ServiceConfig.model_validate(config))


def ranked(service):
    with RankingClient(service.target) as client:
        return client.rank(QUERY.request_id, QUERY.item_ids, None, 3, context=QUERY.context)


def metrics(service):
    with urllib.request.urlopen(f"http://127.0.0.1:{service.service.ports.http}/metrics", timeout=20) as page:
        return page.read().decode()


def test_items_are_ranked_by_what_redis_holds_and_by_defaults_while_it_is_away(bundle, ranker, server):
    fill(server, ITEM)
    service = started(bundle, server)
    try:
        slate, expected = ranked(service), ranker.rank(QUERY)
        assert [item.item_id for item in slate.items] == [QUERY.item_ids[row] for row in expected.order[:3]]
        np.testing.assert_allclose(
            [item.base_score for item in slate.items], expected.base_scores[list(expected.order[:3])]
        )
        assert slate.unknown_items == 0
        assert "seriatim_feature_store_available 1.0" in metrics(service)
        server.stop()
        assert ranked(service).unknown_items == 6
        assert 'seriatim_looked_up_items_total{found="no"} 6.0' in metrics(service)
        # One lookup that fails may be an accident.
        until(lambda: ranked(service).items and "seriatim_feature_store_available 0.0" in metrics(service))
        server.start()
        fill(server, ITEM)
        until(lambda: ranked(service).unknown_items == 0)
    finally:
        service.stop()


def test_a_bundle_of_which_redis_lacks_a_feature_is_refused(bundle, server):
    fill(server, ITEM[:2])
    with pytest.raises(BundleError, match=ITEM[2]):
        started(bundle, server)
