"""`seriatim compile`: the pipeline for another orchestrator."""

from __future__ import annotations

from pathlib import Path

import click

from pipelines.commands.config_option import configured
from seriatim_errors import ConfigError

SUFFIX = {"airflow": ".py", "kubeflow": ".yaml"}


@click.command(name="compile")
@click.option("--to", "target", type=click.Choice(list(SUFFIX)), required=True, help="Orchestrator.")
@configured
@click.option("--out", type=click.Path(path_type=Path), help="File to write; default: NAME.py or NAME.yaml.")
@click.option("--worker-config", help="The configuration's path on the workers; default: that of --config here.")
@click.option("--worker-folder", help="Folder on the workers that relative paths start from; default: this one.")
@click.option("--retries", type=click.IntRange(min=0), default=3, show_default=True, help="Of a task that fails.")
@click.option("--schedule", help="Airflow: cron expression or preset such as @daily; default: none.")
@click.option("--image", help="Kubeflow: container image that holds Seriatim.")
@click.option("--claim", help="Kubeflow: volume claim mounted at the worker folder; default: none.")
def compile_(
    target: str,
    config_path: Path,
    out: Path | None,
    worker_config: str | None,
    worker_folder: str | None,
    retries: int,
    schedule: str | None,
    image: str | None,
    claim: str | None,
) -> None:
    """Write the pipeline for Airflow, or for Kubeflow Pipelines v2 and Vertex AI: a task a phase, one after another."""
    from pipelines.compiling.airflow import airflow_dag
    from pipelines.compiling.kubeflow import kubeflow_spec
    from pipelines.compiling.workflow import Workflow
    from pipelines.config import load_config

    given = {"airflow": {"schedule": schedule}, "kubeflow": {"image": image, "claim": claim}}
    for other, options in given.items():
        for name, value in options.items():
            if other != target and value is not None:
                raise ConfigError(f"--{name}: is of --to {other}; leave it out for {target}")
    config = load_config(config_path)
    workflow = Workflow(
        name=config.name,
        config=worker_config or str(config_path.resolve()),
        folder=worker_folder or str(Path.cwd()),
        retries=retries,
    )
    if target == "airflow":
        content = airflow_dag(workflow, schedule)
    elif image is None:
        raise ConfigError("--image: is missing; name the container image that holds Seriatim")
    else:
        content = kubeflow_spec(workflow, image, claim)
    path = out or Path(f"{config.name}{SUFFIX[target]}")
    try:
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written ({error.strerror}); give another --out") from None
    click.echo(f"{path}: {', then '.join(phase for phase, _ in workflow.tasks())}")
