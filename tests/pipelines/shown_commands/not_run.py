"""The one list of shown commands that nothing here runs, each with its reason and the test that stands for it."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class NotRun:
    """Commands that match `pattern` whole; `why` nothing runs them here, and the test that looks at them, if any."""

    pattern: str
    why: str
    covered_by: str = ""


PLANNED = "tests/house/test_makefile.py::test_every_target_can_be_planned_and_is_phony_and_explained"
CLUSTER = "tests/serving/test_deployment_files.py"
WHEEL = "tests/house/test_wheel.py::test_a_small_default_pipeline_runs_from_the_wheel_outside_the_checkout"
IN_SOURCE = "tests/pipelines/shown_commands/test_shown_commands.py::test_a_benchmark_is_there_and_has_the_options_shown"
NOT_RUN = [
    NotRun(r"python -m benchmarks\..*", "measures for minutes to hours, or draws what was measured", IN_SOURCE),
    NotRun(r"make (?!run$|serve$)[a-z-]+( [A-Z]+=\S+)*", "sets up, tests, measures or asks a package index", PLANNED),
    NotRun(r"export PATH=.*", "is for the reader's own shell; here commands are called in their process"),
    NotRun(r"pip install -c dist/constraints\.txt .*", "asks a package index", WHEEL),
    NotRun(r"pip install (?!-c).*", "asks a package index"),
    NotRun(r"python3\.10 -m venv .*", "is for a machine without a checkout"),
    NotRun(r"python -m pytest .*", "runs the tests, which run this"),
    NotRun(r"sqlite3 .*", "is a program that need not be here"),
    NotRun(r"docker build .*", "needs a container engine", f"{CLUSTER}::test_the_container_s_file_is_clean"),
    NotRun(r"kubectl apply .*", "needs a cluster", f"{CLUSTER}::test_the_kustomization_has_all_of_them"),
    NotRun(
        r"aws s3 sync .*",
        "needs the AWS command line, which is no dependency",
        "tests/pipelines/test_remote_files.py::test_a_bundle_reaches_another_machine_whole",
    ),
    NotRun(
        r"python -m apache_beam\.runners\..*",
        "is Beam's own and stays until it is stopped; the tests of Beam start both on free ports",
        "tests/pipelines/test_multi_processing.py::test_the_data_phase_makes_elsewhere_what_it_makes_in_one_process",
    ),
]


def why_not_run(text):
    """The entry of the list that a command falls under, or None."""
    words = re.sub(r"\s+#.*$", "", text)
    return next((one for one in NOT_RUN if re.fullmatch(one.pattern, words)), None)
