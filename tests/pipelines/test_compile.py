"""Pipelines compiled for other orchestrators: read back, and by the orchestrators' own packages where they are here."""

import ast
import json
import os
import shlex
import subprocess

import pytest
import yaml
from click.testing import CliRunner

from pipelines.commands.compile import compile_
from pipelines.compiling.airflow import airflow_dag
from pipelines.compiling.kubeflow import kubeflow_spec
from pipelines.compiling.workflow import Workflow
from pipelines.phases import COMPONENTS, PHASES, until
from seriatim_errors import ConfigError
from tests.pipelines.small_pipeline import write_config

AIRFLOW, KFP = os.environ.get("SERIATIM_AIRFLOW_PYTHON"), os.environ.get("SERIATIM_KFP_PYTHON")
ODD = "/data/it's 100 % \U0001f600/small.yaml"


def workflow(**changes):
    return Workflow(**{"name": "small_one", "config": ODD, "folder": "/data/my runs", **changes})


def commands_of(source):
    """What a DAG's file says, without running it."""
    named = {node.targets[0].id: node.value for node in ast.parse(source).body if isinstance(node, ast.Assign)}
    return ast.literal_eval(named["COMMANDS"])


def test_every_phase_is_a_task_whose_command_survives_the_shell():
    commands = commands_of(airflow_dag(workflow(), "@daily"))
    assert list(commands) == list(PHASES)
    for phase, command in commands.items():
        assert shlex.split(command) == ["seriatim", "run", "--config", ODD, "--until", phase]


def test_kubeflow_runs_the_phases_one_after_another_in_the_mounted_folder():
    spec, platform = yaml.safe_load_all(kubeflow_spec(workflow(retries=2), "seriatim:0.1", "claim"))
    tasks = spec["root"]["dag"]["tasks"]
    assert list(tasks) == [f"{phase}-phase" for phase in PHASES]
    before = [task.get("dependentTasks", []) for task in tasks.values()]
    assert before == [[], ["data-phase"], ["training-phase"], ["evaluation-phase"]]
    assert {task["retryPolicy"]["maxRetryCount"] for task in tasks.values()} == {2}
    container = spec["deploymentSpec"]["executors"]["exec-training-phase"]["container"]
    assert container["args"] == ["seriatim", "run", "--config", ODD, "--until", "training"]
    mounts = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert mounts.keys() == spec["deploymentSpec"]["executors"].keys()
    assert mounts["exec-data-phase"]["pvcMount"] == [{"constant": "claim", "mountPath": "/data/my runs"}]
    [alone] = yaml.safe_load_all(kubeflow_spec(workflow(), "seriatim:0.1", None))
    assert "platforms" not in alone


def test_a_container_s_command_changes_the_folder_and_keeps_its_arguments(tmp_path):
    folder = tmp_path / "my runs"
    folder.mkdir()
    [spec] = yaml.safe_load_all(kubeflow_spec(workflow(folder=str(folder), command=("echo",)), "seriatim:0.1", None))
    container = spec["deploymentSpec"]["executors"]["exec-data-phase"]["container"]
    said = subprocess.run([*container["command"], *container["args"]], capture_output=True, text=True, check=True)
    assert said.stdout == f"run --config {ODD} --until data\n"


def test_phases_hold_every_component_once_and_end_where_they_should():
    names = [name for phase in PHASES for name in COMPONENTS[phase]]
    assert len(set(names)) == len(names)
    shuffled = names[::-1]
    for place, phase in enumerate(PHASES):
        wanted = {name for one in PHASES[: place + 1] for name in COMPONENTS[one]}
        assert until(phase, shuffled, shuffled) == [name for name in shuffled if name in wanted]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "kubeflow"], "--image: is missing"),
        (["--to", "kubeflow", "--image", "i", "--schedule", "@daily"], "--schedule: is of --to airflow"),
        (["--to", "airflow", "--claim", "c"], "--claim: is of --to kubeflow"),
        (["--to", "airflow", "--worker-folder", "here"], "folder: 'here' is no absolute path"),
        (["--to", "airflow", "--out", "/no/such/folder/dag.py"], "/no/such/folder/dag.py cannot be written"),
    ],
)
def test_mistakes_name_the_option(tmp_path, arguments, message):
    failed = CliRunner().invoke(compile_, ["--config", str(write_config(tmp_path)), *arguments])
    assert isinstance(failed.exception, ConfigError)
    assert message in str(failed.exception)


def test_the_command_writes_the_file_and_tells_the_phases(tmp_path):
    out = tmp_path / "dag.py"
    arguments = ["--to", "airflow", "--config", str(write_config(tmp_path)), "--out", str(out)]
    done = CliRunner().invoke(compile_, arguments, catch_exceptions=False)
    assert done.output == f"{out}: data, then training, then evaluation, then publication\n"
    assert str(tmp_path / "small.yaml") in commands_of(out.read_text())["data"]


DAGS = """
import json, sys
from airflow.models import DagBag
bag = DagBag(sys.argv[1], include_examples=False)
[dag] = bag.dags.values()
order = [task.task_id for task in dag.topological_sort()]
print("found", json.dumps([bag.import_errors, dag.dag_id, order, [t.bash_command for t in dag.topological_sort()]]))
"""


@pytest.mark.skipif(not AIRFLOW, reason="needs SERIATIM_AIRFLOW_PYTHON, a Python with Airflow")
def test_airflow_reads_the_dag_without_an_error(tmp_path):
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "dag.py").write_text(airflow_dag(workflow(), "@daily"), encoding="utf-8")
    home = {**os.environ, "AIRFLOW_HOME": str(tmp_path / "home"), "AIRFLOW__CORE__UNIT_TEST_MODE": "True"}
    subprocess.run([AIRFLOW, "-m", "airflow", "db", "migrate"], env=home, capture_output=True, check=True, timeout=300)
    command = [AIRFLOW, "-c", DAGS, str(tmp_path / "dags")]
    said = subprocess.run(command, env=home, capture_output=True, text=True, check=True, timeout=300).stdout
    [line] = [line for line in said.splitlines() if line.startswith("found ")]
    errors, name, order, commands = json.loads(line.removeprefix("found "))
    assert errors == {}
    assert (name, order) == ("small_one", list(PHASES))
    assert shlex.split(commands[0]) == ["seriatim", "run", "--config", ODD, "--until", "data"]


SPECS = """
import json, sys
from kfp import components
loaded = components.load_component_from_file(sys.argv[1])
spec = loaded.pipeline_spec
print("found", json.dumps([loaded.name, list(spec.root.dag.tasks), sorted(spec.deployment_spec["executors"]),
                           sorted(loaded.platform_spec.platforms)]))
"""


@pytest.mark.skipif(not KFP, reason="needs SERIATIM_KFP_PYTHON, a Python with kfp")
def test_kubeflow_s_loader_reads_the_specification(tmp_path):
    (tmp_path / "spec.yaml").write_text(kubeflow_spec(workflow(), "seriatim:0.1", "claim"), encoding="utf-8")
    command = [KFP, "-c", SPECS, str(tmp_path / "spec.yaml")]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    [line] = [line for line in said.splitlines() if line.startswith("found ")]
    name, tasks, executors, platforms = json.loads(line.removeprefix("found "))
    assert name == "small-one"
    assert sorted(tasks) == sorted(f"{phase}-phase" for phase in PHASES)
    assert executors == sorted(f"exec-{phase}-phase" for phase in PHASES)
    assert platforms == ["kubernetes"]
