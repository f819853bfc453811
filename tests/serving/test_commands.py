"""`seriatim serve` and `seriatim rank` as a person meets them: in processes of their own."""

import json
import signal
import subprocess
import sys

import pytest

from serving.commands.rank import READY_LINE

pytestmark = pytest.mark.slow


def seriatim(*arguments):
    command = [sys.executable, "-m", "seriatim", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def service(bundle):
    command = [sys.executable, "-m", "seriatim", "serve", "--bundles", str(bundle.folder.parent), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    line = next(line for line in process.stdout if line.startswith(READY_LINE))
    yield line.removeprefix(READY_LINE).split(";")[0]
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "stopping: calls in flight are finished" in output


def test_rank_prints_the_slate_of_a_running_service(service, bundle):
    answer = seriatim("rank", "--target", service, "--bundles", bundle.folder.parent)
    assert answer.returncode == 0, answer.stderr
    assert f"bundle {bundle.manifest.version}" in answer.stdout
    as_json = json.loads(seriatim("rank", "--target", service, "--bundles", bundle.folder.parent, "--json").stdout)
    golden = bundle.golden()
    assert [item["item_id"] for item in as_json["items"]] == golden.item_ids[golden.slates[0][:3]].tolist()


def test_rank_can_bring_its_own_service_and_a_request_file(bundle, tmp_path):
    request = {
        "request_id": "r1", "item_ids": ["a", "b"], "features": [[0, 1, 2], [2, 1, 0]], "context": [0.5],
        "slate_size": 2,
    }  # fmt: skip
    path = tmp_path / "request.json"
    path.write_text(json.dumps(request))
    answer = seriatim("rank", "--serve", "--bundles", bundle.folder.parent, "--request", path, "--explore", "1")
    assert answer.returncode == 0, answer.stderr
    assert "propensity of this slate" in answer.stdout


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"slate_size": 3}, "slate_size: 3 for 2 candidates"),
        ({"item_ids": []}, "features.values"),
        ({"colour": 1}, "unknown field 'colour'"),
        ({"features": [[1], [1, 2]]}, "rows of different length"),
    ],
)
def test_a_bad_request_file_ends_with_one_line_and_status_3(service, bundle, tmp_path, change, message):
    request = {
        "request_id": "r1", "item_ids": ["a", "b"], "features": [[0, 1, 2], [2, 1, 0]], "context": [0.5],
        "slate_size": 2,
    }  # fmt: skip
    path = tmp_path / "request.json"
    path.write_text(json.dumps({**request, **change}))
    answer = seriatim("rank", "--target", service, "--request", path)
    assert answer.returncode == 3
    assert message in answer.stderr
    assert "Traceback" not in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_a_missing_bundle_and_a_port_in_use_are_named(service, bundle, tmp_path):
    missing = seriatim("serve", "--bundles", tmp_path / "none")
    assert (missing.returncode, missing.stderr.count("\n")) == (5, 1)
    assert "no bundle under" in missing.stderr
    port = service.rsplit(":", 1)[1]
    taken = seriatim("serve", "--bundles", bundle.folder.parent, "--port", port)
    assert taken.returncode == 6
    assert "the port is in use" in taken.stderr
    assert "Traceback" not in taken.stderr


def test_rank_without_a_service_says_how_to_start_one(bundle):
    answer = seriatim("rank", "--target", "127.0.0.1:1", "--bundles", bundle.folder.parent)
    assert answer.returncode == 6
    assert "start one with 'seriatim serve'" in answer.stderr
