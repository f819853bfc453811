"""Runs as child processes: attempts, back-off, what is told of failures, what an earlier scheduler left."""

import http.server
import json
import os
import signal
import subprocess
import sys
import threading

import pytest

from pipelines.run_lock import LOCK_FILE, FolderBusyError, only_process_in
from pipelines.scheduling.child import is_alive, process_identity, run_command, start_child
from pipelines.scheduling.dispatch import BUSY_PAUSE_SECONDS, MOST_DEATHS, STOP_PATIENCE_SECONDS, Dispatcher
from pipelines.scheduling.history import ask_for_run, begin_attempt, find_run, history, note_process
from pipelines.scheduling.notification import facts_of, notify_failure, post_facts
from pipelines.scheduling.outcome import error_in
from pipelines.scheduling.schedule_store import remove_schedule
from seriatim_errors import PipelineError
from tests.pipelines.planted_schedules import NOON, planted, schedule


class Bench:
    """A dispatcher whose runs are little programs, with a clock that the test sets."""

    def __init__(self, home, program, at_once=1):
        self.home, self.now, self.told = home, NOON, []
        self.program = program
        self.dispatcher = Dispatcher(
            home, at_once, lambda schedule: [sys.executable, "-c", self.program], self._note, lambda: self.now
        )

    def _note(self, schedule, run, home):
        self.told.append((schedule.name, run.state, run.reason))

    def turn_until_free(self):
        """Turns until no run goes on; waits for children to end between them."""
        self.dispatcher.turn()
        while self.dispatcher.busy:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
            self.dispatcher.turn(start=False)
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and not thread.daemon:
                thread.join(10)

    def states(self):
        return [(run.state, run.attempts) for run in reversed(history(self.home))]


def test_a_run_that_succeeds_is_written_down_with_its_log(tmp_path):
    home = planted(tmp_path)
    bench = Bench(home, "import os, sys; print('at work in', os.getcwd()); print('and here', file=sys.stderr)")
    ask_for_run(home, "daily", "hand", NOON)
    bench.turn_until_free()
    [run] = history(home)
    assert (run.state, run.attempts, run.exit_code, run.started, run.ended) == ("succeeded", 1, 0, NOON, NOON)
    assert (home / run.log).read_text() == f"at work in {tmp_path}\nand here\n"
    assert bench.told == []


def test_a_failed_run_is_tried_again_after_pauses_that_double_and_then_told_of(tmp_path):
    home = planted(tmp_path, retries=2, backoff=60.0)
    bench = Bench(home, "print('error: no rows'); raise SystemExit(3)")
    ask_for_run(home, "daily", "hand", NOON)
    for pause in (60, 120):
        bench.turn_until_free()
        [run] = history(home)
        assert (run.state, run.not_before, run.reason) == ("waiting", bench.now + pause, "no rows")
        bench.now += pause - 1
        bench.turn_until_free()
        assert history(home)[0].attempts == run.attempts
        bench.now += 1
    assert bench.told == []
    bench.turn_until_free()
    assert bench.states() == [("failed", 3)]
    assert bench.told == [("daily", "failed", "no rows")]
    assert (home / history(home)[0].log).read_text() == "error: no rows\n" * 3


def test_a_run_that_dies_again_and_again_is_given_up_and_told_of(tmp_path):
    home = planted(tmp_path)
    bench = Bench(home, "pass")
    ask_for_run(home, "daily", "hand", NOON)
    for _ in range(MOST_DEATHS):
        [waiting] = [run for run in history(home) if run.state == "waiting"]
        begin_attempt(home, waiting, bench.now)
        bench.dispatcher.recover()
        bench.now += 1
    bench.turn_until_free()
    assert [state for state, _ in bench.states()] == ["died"] * (MOST_DEATHS - 1) + ["failed"]
    assert [told[:2] for told in bench.told] == [("daily", "failed")]
    ask_for_run(home, "daily", "hand", bench.now)
    bench.turn_until_free()
    assert bench.states()[-1] == ("succeeded", 1)


@pytest.mark.parametrize("code", [2, 4])
def test_a_wrong_configuration_is_not_tried_again(tmp_path, code):
    home = planted(tmp_path)
    bench = Bench(home, f"print('gait'); raise SystemExit({code})")
    ask_for_run(home, "daily", "hand", NOON)
    bench.turn_until_free()
    assert bench.states() == [("failed", 1)]
    assert bench.told == [("daily", "failed", "gait")]


def test_a_run_whose_folder_is_busy_waits_without_using_up_an_attempt(tmp_path):
    home = planted(tmp_path, retries=0)
    bench = Bench(home, "raise SystemExit(75)")
    ask_for_run(home, "daily", "hand", NOON)
    for _ in range(3):
        bench.turn_until_free()
        assert bench.states() == [("waiting", 0)]
        assert history(home)[0].not_before == bench.now + BUSY_PAUSE_SECONDS
        bench.now += BUSY_PAUSE_SECONDS
    bench.program = "pass"
    bench.turn_until_free()
    assert bench.states() == [("succeeded", 1)]


def test_a_run_that_is_killed_is_a_failed_attempt_and_one_that_cannot_start_fails(tmp_path):
    home = planted(tmp_path, retries=1)
    bench = Bench(home, "import os; os.kill(os.getpid(), 9)")
    ask_for_run(home, "daily", "hand", NOON)
    bench.turn_until_free()
    assert (history(home)[0].state, history(home)[0].exit_code) == ("waiting", -9)
    remove_schedule(home, "daily")
    home = planted(tmp_path, "away", folder=tmp_path / "absent")
    ask_for_run(home, "away", "hand", NOON)
    bench.turn_until_free()
    assert (history(home)[0].state, history(home)[0].attempts) == ("failed", 1)
    assert "cannot be started: " in bench.told[0][2]


def test_no_more_than_so_many_run_at_once(tmp_path):
    home = planted(tmp_path)
    for name in ("other", "third"):
        planted(tmp_path, name)
    for name in ("daily", "other", "third"):
        ask_for_run(home, name, "hand", NOON)
    bench = Bench(home, "pass", at_once=2)
    bench.dispatcher.turn()
    assert [state for state, _ in bench.states()] == ["running", "running", "waiting"]
    bench.turn_until_free()
    bench.turn_until_free()
    assert [state for state, _ in bench.states()] == ["succeeded"] * 3


def test_stopping_ends_the_running_child_and_what_it_started(tmp_path):
    home = planted(tmp_path)
    bench = Bench(
        home, "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"
    )
    run = ask_for_run(home, "daily", "hand", NOON)
    bench.dispatcher.turn()
    log = home / find_run(home, run.id).log
    while "up" not in log.read_text():
        assert is_alive(find_run(home, run.id).pid, find_run(home, run.id).process)
    bench.dispatcher.stop_runs()
    bench.dispatcher.turn(start=False)
    assert bench.states() == [("running", 1)]
    bench.now += STOP_PATIENCE_SECONDS + 1
    bench.dispatcher.turn(start=False)
    bench.turn_until_free()
    assert bench.states() == [("stopped", 1)]
    assert history(home)[0].exit_code == -signal.SIGKILL


def test_a_dead_run_is_resumed_and_one_that_still_runs_is_watched_to_its_end(tmp_path):
    home = planted(tmp_path)
    planted(tmp_path, "living")
    dead = begin_attempt(home, ask_for_run(home, "daily", "every", NOON), NOON)
    with subprocess.Popen([sys.executable, "-c", "pass"]) as ended:
        ended.wait()
    note_process(home, dead.id, ended.pid, "another boot 17")
    living = begin_attempt(home, ask_for_run(home, "living", "every", NOON), NOON)
    child = start_child([sys.executable, "-c", "import signal; signal.pause()"], tmp_path, tmp_path / "log")
    note_process(home, living.id, child.pid, child.process)
    bench = Bench(home, "pass", at_once=2)
    bench.dispatcher.recover()
    assert find_run(home, dead.id).state == "died"
    assert find_run(home, living.id).state == "running"
    child.send(signal.SIGKILL)
    child.started.wait()
    bench.turn_until_free()
    bench.turn_until_free()
    assert [(run.schedule, run.trigger, run.state) for run in reversed(history(home))] == [
        ("daily", "every", "died"),
        ("living", "every", "died"),
        ("daily", "resume", "succeeded"),
        ("living", "resume", "succeeded"),
    ]


def test_a_process_is_told_from_a_later_one_of_its_number():
    own = process_identity(os.getpid())
    assert is_alive(os.getpid(), own)
    assert not is_alive(os.getpid(), own + "0")
    with subprocess.Popen([sys.executable, "-c", "pass"]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        assert process_identity(ended.pid) == "", "dead, but not yet reaped"
        identity = "x"
        ended.wait()
    assert not is_alive(ended.pid, identity)


def test_the_command_of_a_run_lays_values_over_the_configuration(tmp_path):
    one = schedule(tmp_path, overrides={"gate.epochs": 3, "labeller": None, "data.train": ["a b.csv"]})
    assert run_command(one)[1:] == [
        *("-m", "seriatim", "run", "--config", str(tmp_path / "p.yaml"), "--set", "gate.epochs=3"),
        *("--set", "labeller=null", "--set", 'data.train=["a b.csv"]'),
    ]


def test_the_reason_is_the_last_error_or_the_last_line(tmp_path):
    log = tmp_path / "log"
    assert error_in(log) == "no log"
    for text, reason in [("", "it printed nothing"), ("a\nb\n\n", "b"), ("error: x\nerror: y\nz\n", "y")]:
        log.write_text(text)
        assert error_in(log) == reason


HOLD = """
import sys
from pathlib import Path
from pipelines.run_lock import only_process_in
with only_process_in(Path(sys.argv[1]), "run folder"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_in_a_folder_is_told_which_one_is_there_until_that_is_killed(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "run")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(FolderBusyError, match=f"run folder .* is in use by process {holder.pid};"),
            only_process_in(tmp_path / "run", "run folder"),
        ):
            pass
        assert (tmp_path / "run" / LOCK_FILE).read_text() == str(holder.pid)
        holder.kill()
        holder.wait()
        with only_process_in(tmp_path / "run", "run folder"):
            assert (tmp_path / "run" / LOCK_FILE).read_text() == str(os.getpid())


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(PipelineError, match="cannot be written"), only_process_in(tmp_path / "file", "run folder"):
        pass


@pytest.fixture
def receiver():
    """A web server that refuses the first post it gets; yields its address and what was posted."""
    posted, printed = [], []

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(503 if len(posted) == 1 else 204)
            self.end_headers()

        def log_message(self, *arguments):
            """Keep what it would print."""
            printed.append(arguments)

    with http.server.HTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", posted
        server.shutdown()


def failed_run(home):
    return begin_attempt(home, ask_for_run(home, "daily", "hand", NOON), NOON)


def test_a_webhook_that_refuses_is_tried_again(tmp_path, receiver):
    address, posted = receiver
    home = planted(tmp_path)
    facts = facts_of(schedule(tmp_path), failed_run(home), home)
    pauses = []
    assert post_facts(address, facts, pauses.append)
    assert pauses == [1.0]
    assert posted == [facts, facts]
    assert facts["started"] == "2026-03-01T12:00:00+00:00"
    assert facts["log"] == str(home / "logs" / "daily" / "1.log")


def test_a_webhook_that_is_not_there_is_given_up_without_harm(tmp_path):
    pauses = []
    assert not post_facts("http://127.0.0.1:9/", {"run": 1}, pauses.append)
    assert pauses == [1.0, 5.0]


def test_a_command_on_failure_finds_the_facts_in_its_environment(tmp_path, caplog):
    home = planted(tmp_path)
    run = failed_run(home)
    note = tmp_path / "a note"
    program = (
        "import os, sys; open(sys.argv[1], 'w').write(os.environ['SERIATIM_SCHEDULE'] + os.environ['SERIATIM_RUN'])"
    )
    notify_failure(schedule(tmp_path, command=f'{sys.executable} -c "{program}" "{note}"'), run, home)
    assert note.read_text() == "daily1"
    for command, said in [
        ("/no/such/thing", "No such file"),
        (f"{sys.executable} -c 'exit(7)'", "ended with 7"),
        ("'", "quotation"),
    ]:
        notify_failure(schedule(tmp_path, command=command), run, home)
        assert said in caplog.text
