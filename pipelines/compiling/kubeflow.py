"""The pipeline as a specification for Kubeflow Pipelines v2 and Vertex AI Pipelines."""

from __future__ import annotations

from typing import Any

import yaml

from pipelines.compiling.workflow import Workflow

SCHEMA_VERSION, SDK_VERSION = "2.1.0", "kfp-2.9.0"
BACKOFF_SECONDS, BACKOFF_FACTOR, LONGEST_BACKOFF_SECONDS = 60, 2, 3600


def kubeflow_spec(workflow: Workflow, image: str, claim: str | None) -> str:
    """The specification as YAML.

    Args:
        workflow: the tasks.
        image: container image that holds Seriatim.
        claim: name of a Kubernetes volume claim that is mounted at the workflow's folder; None: the folder is there
            by itself, as `/gcs/BUCKET/...` is on Vertex AI.
    """
    names = [f"{phase}-phase" for phase, _ in workflow.tasks()]
    tasks: dict[str, Any] = {}
    for place, name in enumerate(names):
        tasks[name] = {
            # The folder's contents decide what is run again, which Kubeflow's own cache cannot see.
            "cachingOptions": {},
            "componentRef": {"name": f"comp-{name}"},
            "retryPolicy": {
                "backoffDuration": f"{BACKOFF_SECONDS}s",
                "backoffFactor": float(BACKOFF_FACTOR),
                "backoffMaxDuration": f"{LONGEST_BACKOFF_SECONDS}s",
                "maxRetryCount": workflow.retries,
            },
            "taskInfo": {"name": name},
            **({"dependentTasks": [names[place - 1]]} if place else {}),
        }
    executors = {
        f"exec-{name}": {
            "container": {
                # The shell only changes the folder: the command comes as its arguments, so that no quoting is needed.
                "command": ["sh", "-c", 'cd "$0" && exec "$@"', workflow.folder],
                "args": list(command),
                "image": image,
            }
        }
        for name, (_, command) in zip(names, workflow.tasks(), strict=True)
    }
    spec = {
        "components": {f"comp-{name}": {"executorLabel": f"exec-{name}"} for name in names},
        "deploymentSpec": {"executors": executors},
        "pipelineInfo": {"name": workflow.name.replace("_", "-")},
        "root": {"dag": {"tasks": tasks}},
        "schemaVersion": SCHEMA_VERSION,
        "sdkVersion": SDK_VERSION,
    }
    documents = [spec]
    if claim is not None:
        mounted = {label: {"pvcMount": [{"constant": claim, "mountPath": workflow.folder}]} for label in executors}
        documents.append({"platforms": {"kubernetes": {"deploymentSpec": {"executors": mounted}}}})
    return yaml.safe_dump_all(documents, sort_keys=False)
