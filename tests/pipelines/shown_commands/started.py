"""Commands that go on until they are stopped: started as a process, asked once, ended by a signal."""

import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request

from serving.client import RankingClient
from tests.house.modules import ROOT

PATIENCE = 120


def _asked_for_health(found):
    with RankingClient(found.group(1)) as client:
        assert client.healthy()


def _page_opens(found):
    with urllib.request.urlopen(found.group(1), timeout=PATIENCE) as answer:
        assert answer.status == 200


# By command: the line that says that it is there, and what is asked then.
LONG_RUNNING = {
    ("serve",): (re.compile(r"^serving seriatim\.v1\.RankingService on (\S+);"), _asked_for_health),
    ("report", "serve"): (re.compile(r"^runs of .* on (http\S+);"), _page_opens),
    ("schedule", "start"): (re.compile(r"the scheduler runs on "), lambda found: None),
}


def goes_on(path, rest):
    """Whether a command with these options ends by itself only when it is stopped."""
    return path in LONG_RUNNING and not {"--until-idle", "--help"} & set(rest)


def answers_and_stops(path, words, folder):
    """Start `seriatim` with the words in the folder, see it answer, stop it; it must end with status 0."""
    ready, ask = LONG_RUNNING[path]
    process = subprocess.Popen(
        [sys.executable, "-m", "seriatim", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
    )
    # One that never says that it is ready ends all the same, and with it what is read below.
    watch = threading.Timer(PATIENCE, process.kill)
    watch.start()
    told = []
    try:
        found = None
        for line in process.stdout:
            told.append(line)
            found = ready.search(line)
            if found:
                break
        assert found, f"it never said that it was ready: {''.join(told)}"
        ask(found)
    finally:
        watch.cancel()
        process.send_signal(signal.SIGTERM)
        try:
            told.append(process.communicate(timeout=PATIENCE)[0])
        except subprocess.TimeoutExpired:
            process.kill()
            told.append(process.communicate()[0])
    assert process.returncode == 0, "".join(told)
