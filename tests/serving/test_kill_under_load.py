"""The service is killed while callers record events: nothing acknowledged is lost, and nothing counts twice."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc

from serving.events.reading import read_events
from serving.proto.seriatim.v1 import events_pb2, events_pb2_grpc, ranking_pb2_grpc
from tests.serving.ranking_messages import message_of
from tests.serving.served_process import serving_process
from tests.serving.small_bundles import make_query

CALLERS, ROUNDS, LEAST_CALLS, MOST_CALLS = 4, 4, 20, 120
# Workers whose parent is killed stop in order; gRPC cancels what arrives at that moment.
GONE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


class Callers:
    """Rank and record by turns, and remember what was acknowledged; what was not is sent again to the next service."""

    def __init__(self):
        self.acknowledged, self.logged, self.again = set(), set(), {}
        self._lock, self._number = threading.Lock(), 0

    def call_until_killed(self, target, kill_after, kill):
        """All callers at once; the service is killed after a number of acknowledged calls."""
        self._left, self._kill = kill_after, kill
        with ThreadPoolExecutor(CALLERS) as threads:
            for done in [threads.submit(self._call, caller, target) for caller in range(CALLERS)]:
                done.result()

    def _call(self, caller, target):
        with grpc.insecure_channel(target, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            ranking, events = ranking_pb2_grpc.RankingServiceStub(channel), events_pb2_grpc.EventServiceStub(channel)
            try:
                while True:
                    name = self.again.pop(caller, None) or self._next()
                    self.again[caller] = name
                    interaction = events_pb2.Interaction(item_id="i1", action="click")
                    event = events_pb2.Event(event_id=f"event-{name}", request_id=name, interaction=interaction)
                    events.RecordEvents(events_pb2.RecordEventsRequest(events=[event]), timeout=20)
                    self._acknowledge(self.acknowledged, event.event_id)
                    slate = ranking.RankSlate(message_of(make_query(seed=1, request_id=name)), timeout=20)
                    assert slate.logged
                    self._acknowledge(self.logged, name)
                    del self.again[caller]
            except grpc.RpcError as error:
                if error.code() not in GONE:
                    raise

    def _next(self):
        with self._lock:
            self._number += 1
            return f"request-{self._number}"

    def _acknowledge(self, where, name):
        with self._lock:
            where.add(name)
            self._left -= 1
            if self._left == 0:
                self._kill()


def kill_again_and_again(bundle, folder, workers):
    log, callers, moments = folder / "log", Callers(), random.Random(workers)
    config = {"events": {"folder": str(log)}, "listen": {"port": 0, "workers": workers}}
    for _ in range(ROUNDS):
        with serving_process(folder, config, "--bundle", bundle.folder) as served:
            callers.call_until_killed(served.target, moments.randint(LEAST_CALLS, MOST_CALLS), served.process.kill)
            served.process.wait()
    with serving_process(folder, config, "--bundle", bundle.folder):
        """The last start mends what the last kill left."""
    return callers, read_events(log)


def require_each_once(callers, read):
    recorded = [fields["event_id"] for fields in read.acted]
    shown = [fields["request_id"] for fields in read.shown]
    assert not read.broken
    assert len(recorded) == len(set(recorded))
    assert len(shown) == len(set(shown))
    assert callers.acknowledged <= set(recorded)
    assert callers.logged <= set(shown)
    # Beyond what was acknowledged there is at most the call that each caller had open at each kill.
    assert len(set(recorded) - callers.acknowledged) <= CALLERS
    assert len(callers.acknowledged) + len(callers.logged) >= ROUNDS * LEAST_CALLS


def test_no_acknowledged_event_is_lost_and_none_is_there_twice(bundle, tmp_path):
    require_each_once(*kill_again_and_again(bundle, tmp_path, workers=1))


def test_with_two_workers_neither(bundle, tmp_path):
    require_each_once(*kill_again_and_again(bundle, tmp_path, workers=2))
