"""Beam's options: known by name and kind before Beam is imported, and everything Beam itself would take passes."""

import subprocess
import sys

import pytest
from apache_beam.options.pipeline_options import PipelineOptions, _BeamArgumentParser

from pipelines.beam_options import beam_flags, require_beam_options
from pipelines.config import load_config
from seriatim_errors import ConfigError

FLINK = ("--runner=FlinkRunner", "--flink_master=jobs:8081", "--environment_type=EXTERNAL", "--parallelism=4")
SPARK = ("--runner=SparkRunner", "--spark_master_url=spark://jobs:7077", "--environment_config=localhost:50000")
DATAFLOW = ("--runner=DataflowRunner", "--project=p", "--region=europe-west1", "--temp_location=gs://b/t", "--no_auth")


def parser_of_beam():
    """Beam's own parser of its options."""
    parser = _BeamArgumentParser()
    for options in PipelineOptions.__subclasses__():
        if options.__module__ == PipelineOptions.__module__:
            options._add_argparse_args(parser)
    return parser


def test_the_flags_read_from_the_source_are_those_that_beam_parses():
    parser = parser_of_beam()
    actions = {name: action for action in parser._actions for name in action.option_strings if name[:2] == "--"}
    del actions["--help"]
    flags = beam_flags()
    assert flags.keys() == actions.keys()
    assert {name: flag.takes_value for name, flag in flags.items()} == {
        name: action.nargs != 0 for name, action in actions.items()
    }
    assert flags["--direct_running_mode"].choices == tuple(actions["--direct_running_mode"].choices)
    assert {name for name, flag in flags.items() if flag.number} == {
        name for name, action in actions.items() if action.type in (int, float)
    }


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--runner=DirectRunner", "--direct_running_mode=multi_processing", "--direct_num_workers=2"),
        ("--runner", "DirectRunner", "--streaming", "--direct_num_workers", "2"),
        ("--runner=apache_beam.runners.portability.flink_runner.FlinkRunner", "--checkpointing_interval=1000"),
        ("--runner=PortableRunner", "--job_endpoint=localhost:8099", "--known_to_the_job_server_alone=1"),
        FLINK,
        SPARK,
        DATAFLOW,
    ],
)
def test_what_beam_takes_passes(options):
    require_beam_options(options)
    _, unparsed = parser_of_beam().parse_known_args(list(options))
    # These are the job server's.
    assert {one.split("=")[0] for one in unparsed} <= {"--checkpointing_interval", "--known_to_the_job_server_alone"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--direct_num_worker=2",), "--direct_num_worker is no option of Apache Beam; is --direct_num_workers meant?"),
        (("--workers_of_mine=2",), "--workers_of_mine is no option of Apache Beam"),
        (("--runner=FlinkRunner", "--flink_mster=x"), "is --flink_master meant?"),
        (("--direct_running_mode=processes",), "choose one of in_memory, multi_threading, multi_processing"),
        (("--direct_num_workers=two",), "--direct_num_workers is 'two'; give a number"),
        (("--direct_num_workers",), "--direct_num_workers has no value"),
        (("--direct_num_workers", "--streaming"), "--direct_num_workers has no value"),
        (("--streaming=yes",), "--streaming takes no value, got 'yes'"),
        (("runner=DirectRunner",), "'runner=DirectRunner' is no option and follows none"),
    ],
)
def test_a_mistake_is_named_with_its_way_out(tmp_path, options, said):
    path = tmp_path / "config.yaml"
    path.write_text(f"name: demo\ndata: {{path: log.csv}}\nbeam_options: {list(options)}\n")
    with pytest.raises(ConfigError) as refused:
        load_config(path)
    assert said in str(refused.value)
    assert "line 3: beam_options" in str(refused.value)


def test_options_are_checked_without_importing_beam():
    code = (
        "import sys; from pipelines.beam_options import require_beam_options; "
        "require_beam_options(['--runner=DirectRunner']); sys.exit('apache_beam' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
