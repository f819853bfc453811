"""`seriatim serve` and `seriatim rank` as a person meets them: in processes of their own."""

import json
import re
import signal
import subprocess
import sys

import pytest

from serving.commands.rank import READY_LINE

pytestmark = pytest.mark.slow

REQUEST = {
    "request_id": "r1",
    "item_ids": ["a", "b"],
    "features": [[0, 1, 2], [2, 1, 0]],
    "context": [0.5],
    "slate_size": 2,
}


def seriatim(*arguments):
    command = [sys.executable, "-m", "seriatim", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def service(bundle):
    command = [sys.executable, "-m", "seriatim", "serve", "--bundles", str(bundle.folder.parent), "--port", "0"]
    command += ["--monitoring-port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    said = []
    line = next(line for line in process.stdout if said.append(line) or line.startswith(READY_LINE))
    assert [re.sub(r":\d+/", ":PORT/", each.strip()) for each in said[:-1]] == [
        "metrics on http://127.0.0.1:PORT/metrics",
        "explorer on http://127.0.0.1:PORT/explorer",
    ]
    yield line.removeprefix(READY_LINE).split(";")[0]
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "stopping: calls in flight are finished" in output


def test_rank_prints_the_slate_of_a_running_service(service, bundle):
    answer = seriatim("rank", "--target", service, "--bundles", bundle.folder.parent)
    assert answer.returncode == 0, answer.stderr
    assert f"bundle {bundle.manifest.version}" in answer.stdout
    assert "labels" not in answer.stdout
    as_json = json.loads(seriatim("rank", "--target", service, "--bundles", bundle.folder.parent, "--json").stdout)
    golden = bundle.golden()
    assert [item["item_id"] for item in as_json["items"]] == golden.item_ids[golden.slates[0][:3]].tolist()


def test_rank_can_bring_its_own_service_and_a_request_file(bundle, tmp_path):
    path = tmp_path / "request.json"
    path.write_text(json.dumps(REQUEST))
    answer = seriatim("rank", "--serve", "--bundles", bundle.folder.parent, "--request", path, "--explore", "1")
    assert answer.returncode == 0, answer.stderr
    assert "propensity of this slate" in answer.stdout


def test_rank_shows_the_labels_of_a_bundle_with_a_labeller(labelled_bundle, tmp_path):
    path = tmp_path / "request.json"
    request = {**REQUEST, "item_ids": ["a", "[/b]"], "features": [[2, 1, -1], [-2, 1, 4]]}
    path.write_text(json.dumps(request))
    arguments = ("rank", "--serve", "--bundles", labelled_bundle.folder.parent, "--request", path)
    printed = seriatim(*arguments)
    assert printed.returncode == 0, printed.stderr
    assert "tag_new, tag_popular, size=large" in printed.stdout
    assert "size=small" in printed.stdout
    assert printed.stdout.count("[/b]") == 2
    as_json = json.loads(seriatim(*arguments, "--json").stdout)
    assert {item["item_id"]: item["labels"] for item in as_json["items"]} == {
        "a": {"tag_new": "", "tag_popular": "", "size": "large"},
        "[/b]": {"size": "small"},
    }


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        ({"slate_size": 3}, (), "slate_size: 3 for 2 candidates"),
        ({"item_ids": [], "features": []}, (), "item_ids: no candidates"),
        ({"features": [[0, 1, float("nan")], [2, 1, 0]]}, (), "feature 'age' of item 'a' is nan"),
        ({"features": [[0, 1], [2, 1]]}, (), "features.values: 16 bytes, expected 24"),
        ({"feature_names": ["price", "quality", "size"]}, (), "unknown feature 'size'"),
        ({"colour": 1}, (), "unknown field 'colour'"),
        ({}, ("--slate-size", "-1"), "slate_size: -1; give 1 to the number of candidates"),
        ({}, ("--explore", "0"), "exploration.temperature: 0; give 0.001 to 1000"),
    ],
)
def test_a_bad_request_ends_with_one_line_and_status_3(service, tmp_path, change, arguments, message):
    path = tmp_path / "request.json"
    path.write_text(json.dumps({**REQUEST, **change}))
    answer = seriatim("rank", "--target", service, "--request", path, *arguments)
    assert answer.returncode == 3
    assert message in answer.stderr
    assert answer.stderr.startswith("error: ")
    assert answer.stderr.count("\n") == 1


def test_a_missing_bundle_and_a_port_in_use_are_named(service, bundle, tmp_path):
    missing = seriatim("serve", "--bundles", tmp_path / "none")
    assert (missing.returncode, missing.stderr.count("\n")) == (5, 1)
    assert "no bundle under" in missing.stderr
    port = service.rsplit(":", 1)[1]
    taken = seriatim("serve", "--bundles", bundle.folder.parent, "--port", port)
    assert taken.returncode == 6
    logged, mistake = taken.stderr.splitlines()
    assert ("is verified" in logged, mistake.startswith("error: ")) == (True, True)
    assert "the port is in use" in taken.stderr
    impossible = seriatim("serve", "--bundles", bundle.folder.parent, "--port", "99999")
    assert impossible.returncode == 2
    assert "99999 is not in the range" in impossible.stderr


def test_rank_without_a_service_says_how_to_start_one(bundle):
    answer = seriatim("rank", "--target", "127.0.0.1:1", "--bundles", bundle.folder.parent)
    assert answer.returncode == 6
    assert "start one with 'seriatim serve'" in answer.stderr


def test_a_proxy_in_the_environment_does_not_stand_between_rank_and_its_own_machine(service, bundle, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    answer = seriatim("rank", "--target", service, "--bundles", bundle.folder.parent)
    assert answer.returncode == 0, answer.stderr


def test_a_service_that_cannot_start_gives_rank_its_reason(tmp_path):
    path = tmp_path / "request.json"
    path.write_text(json.dumps(REQUEST))
    answer = seriatim("rank", "--serve", "--bundles", tmp_path, "--request", path)
    assert answer.returncode == 6
    assert "error: the service did not start: no bundle under" in answer.stderr


def test_serve_ends_well_when_interrupted_right_after_its_ready_line(bundle):
    command = [sys.executable, "-m", "seriatim", "serve", "--bundle", str(bundle.folder), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    next(line for line in process.stdout if line.startswith(READY_LINE))
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert all(" INFO " in line for line in errors.splitlines())
    assert "stopping" in output
