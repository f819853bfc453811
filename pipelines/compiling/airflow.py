"""The pipeline as a file for Airflow's folder of DAGs."""

from __future__ import annotations

import pprint
import shlex

from pipelines.compiling.workflow import Workflow

TEMPLATE = '''"""The pipeline {name} of Seriatim: one task a phase; compiled, edit its configuration instead."""

from datetime import datetime, timedelta

from airflow import DAG

try:
    from airflow.providers.standard.operators.bash import BashOperator
except ImportError:  # Airflow 2
    from airflow.operators.bash import BashOperator

COMMANDS = {commands}

with DAG(
    dag_id={dag_id},
    schedule={schedule},
    start_date=datetime(2024, 1, 1),
    catchup=False,
    # Runs of one pipeline share its folder.
    max_active_runs=1,
    default_args={{
        "retries": {retries},
        "retry_delay": timedelta(minutes=1),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(hours=1),
    }},
    tags=["seriatim"],
) as dag:
    before = None
    for phase, command in COMMANDS.items():
        task = BashOperator(task_id=phase, bash_command=command, cwd={folder}, append_env=True)
        if before is not None:
            before >> task
        before = task
'''


def airflow_dag(workflow: Workflow, schedule: str | None) -> str:
    """Python source of the DAG, for Airflow 2 and 3; it imports nothing of Seriatim.

    Args:
        workflow: the tasks.
        schedule: cron expression or preset such as `@daily`; None: runs are triggered by hand or by others.
    """
    # A command that ends in .sh or .bash would be taken for a template's file; these end in a phase.
    commands = {phase: shlex.join(command) for phase, command in workflow.tasks()}
    return TEMPLATE.format(
        name=workflow.name,
        commands=pprint.pformat(commands, width=120, sort_dicts=False),
        dag_id=repr(workflow.name),
        schedule=repr(schedule),
        retries=workflow.retries,
        folder=repr(workflow.folder),
    )
