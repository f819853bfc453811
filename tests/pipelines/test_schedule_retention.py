"""What is removed of old runs, and what never is."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as proto

from pipelines.config import PipelineConfig, load_config
from pipelines.run_lock import FolderBusyError
from pipelines.scheduling import retention
from pipelines.scheduling.history import ask_for_run, begin_attempt, finish_run, history
from pipelines.scheduling.retention import Pruned, kept_bundles, prune, prune_artifacts, prune_bundles
from pipelines.scheduling.schedule_store import the_schedule
from serving.models.traffic import Rules, Traffic, TrafficError, write_rules
from tests.pipelines.planted_schedules import NOON, planted

COMPLETE, CACHED, RUNNING = proto.Execution.COMPLETE, proto.Execution.CACHED, proto.Execution.RUNNING


class PlantedMetadata:
    """A run folder whose ML Metadata tests fill by hand."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True)
        connection = proto.ConnectionConfig()
        connection.sqlite.filename_uri = str(folder / "metadata.sqlite")
        connection.sqlite.connection_mode = proto.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
        self.store = MetadataStore(connection)
        self.config = PipelineConfig(name=folder.name, data={"path": "log.csv"}, run_root=folder.parent)
        self.pipeline_type = self.store.put_context_type(proto.ContextType(name="pipeline"))
        self.run_type = self.store.put_context_type(proto.ContextType(name="pipeline_run"))
        self.artifact_type = self.store.put_artifact_type(proto.ArtifactType(name="Model"))
        self.runs = 0

    def run(self, *steps, pipeline="p"):
        """Add a run; a step is a component, its state, its log's name or None, and artefacts it made or took."""
        self.runs += 1
        contexts = [
            proto.Context(type_id=self.pipeline_type, name=pipeline),
            proto.Context(type_id=self.run_type, name=f"run {self.runs}"),
        ]
        for component, state, log, artifacts in steps:
            kind = proto.ExecutionType(name=f"pipelines.{component}", properties={})
            execution = proto.Execution(type_id=self.store.put_execution_type(kind), last_known_state=state)
            if log is not None:
                execution.custom_properties["log_folder"].string_value = str(self.folder / "input" / log)
                (self.folder / "input" / log).mkdir(parents=True, exist_ok=True)
            events = [(one, proto.Event(type=proto.Event.OUTPUT)) for one in artifacts]
            self.store.put_execution(execution, events, contexts, reuse_context_if_already_exist=True)

    def artifact(self, component, number):
        """A published artefact with a file."""
        folder = self.folder / "artifacts" / component / "model" / str(number)
        folder.mkdir(parents=True)
        (folder / "file").write_text("x")
        one = proto.Artifact(type_id=self.artifact_type, uri=str(folder), state=proto.Artifact.LIVE)
        [one.id] = self.store.put_artifacts([one])
        return one

    def live(self):
        return {
            "/".join(Path(one.uri).parts[-3:]) for one in self.store.get_artifacts() if one.state == proto.Artifact.LIVE
        }

    def folders(self):
        return {
            path.relative_to(self.folder / "artifacts").as_posix() for path in (self.folder / "artifacts").glob("*/*/*")
        }


@pytest.fixture
def metadata(tmp_path):
    return PlantedMetadata(tmp_path / "runs" / "p")


def test_artefacts_that_the_newest_runs_neither_made_nor_used_are_marked_and_removed(metadata):
    shared, old = metadata.artifact("Gen", 1), metadata.artifact("Trainer", 2)
    metadata.run(
        ("Gen", COMPLETE, "a", [shared]), ("Trainer", COMPLETE, None, [old]), ("BundlePusher", COMPLETE, None, [])
    )
    new = metadata.artifact("Trainer", 3)
    metadata.run(("Gen", CACHED, "b", [shared]), ("Trainer", COMPLETE, None, [new]), ("BundlePusher", CACHED, None, []))
    orphan = metadata.folder / "artifacts" / "Trainer" / "model" / "9"
    orphan.mkdir()
    assert prune_artifacts(metadata.config, 2) == (1, 0), "only what a killed run left"
    assert not orphan.exists()
    assert prune_artifacts(metadata.config, 1) == (1, 1)
    assert metadata.live() == metadata.folders() == {"Gen/model/1", "Trainer/model/3"}
    assert [path.name for path in (metadata.folder / "input").iterdir()] == ["b"]
    assert prune_artifacts(metadata.config, 1) == (0, 0)


def test_unfinished_runs_do_not_count_and_what_they_made_stays(metadata):
    first = metadata.artifact("Trainer", 1)
    metadata.run(("Trainer", COMPLETE, "a", [first]), ("BundlePusher", COMPLETE, None, []))
    second = metadata.artifact("Trainer", 2)
    metadata.run(("Trainer", COMPLETE, "b", [second]), ("BundlePusher", RUNNING, None, []))
    assert prune_artifacts(metadata.config, 1) == (0, 0)
    assert metadata.live() == {"Trainer/model/1", "Trainer/model/2"}


def test_fewer_runs_than_are_kept_lose_nothing(metadata):
    metadata.run(("Trainer", COMPLETE, "a", [metadata.artifact("Trainer", 1)]), ("BundlePusher", COMPLETE, None, []))
    (metadata.folder / "artifacts" / "Trainer" / "model" / "9").mkdir()
    assert prune_artifacts(metadata.config, 2) == (0, 0)
    assert len(metadata.folders()) == 2


def test_a_run_folder_that_was_moved_loses_nothing_that_is_used(metadata, tmp_path):
    metadata.run(("Trainer", COMPLETE, "a", [metadata.artifact("Trainer", 1)]), ("BundlePusher", COMPLETE, None, []))
    moved = metadata.folder.rename(tmp_path / "p")
    assert prune_artifacts(metadata.config.model_copy(update={"run_root": tmp_path}), 1) == (0, 0)
    assert (moved / "artifacts" / "Trainer" / "model" / "1" / "file").exists()


def test_another_pipeline_in_the_same_store_loses_nothing(metadata):
    for number, pipeline in enumerate(("other", "p", "p")):
        made = metadata.artifact("Trainer", number)
        steps = (("Trainer", COMPLETE, f"log{number}", [made]), ("BundlePusher", COMPLETE, None, []))
        metadata.run(*steps, pipeline=pipeline)
    # Each pipeline has a folder of its own.
    (metadata.folder / "artifacts" / "Trainer" / "model" / "0").rename(metadata.folder.parent / "0")
    prune_artifacts(metadata.config, 1)
    assert metadata.live() == {"Trainer/model/0", "Trainer/model/2"}


VERSIONS = [f"v{number}" for number in range(6)]


@given(
    named=st.sets(st.sampled_from(VERSIONS)),
    stable=st.sampled_from(["", "unheard of", *VERSIONS]),
    keep=st.integers(1, 8),
    count=st.integers(0, 6),
)
def test_the_bundle_in_service_and_the_one_before_it_stay(named, stable, keep, count):
    versions = VERSIONS[:count]
    kept = kept_bundles(versions, named, stable, keep)
    assert kept - named <= set(versions)
    assert named | set(versions[-keep:]) <= kept
    in_service = stable if stable in versions else versions[-1] if versions else None
    if in_service is not None:
        assert {in_service, versions[max(0, versions.index(in_service) - 1)]} <= kept
        assert len(kept - named) <= keep + 2


def planted_config(root, **settings):
    text = f"name: p\ndata: {{path: log.csv}}\nrun_root: {root}/runs\nbundle_root: {root}/bundles\n"
    (root / "p.yaml").write_text(text)
    return planted(root, config=root / "p.yaml", **settings)


def planted_bundles(root, *versions):
    for version in versions:
        (root / "bundles" / "p" / version).mkdir(parents=True)
        (root / "bundles" / "p" / version / "manifest.json").write_text("{}")


def test_bundles_that_traffic_rules_name_stay_and_broken_rules_keep_all(tmp_path):
    planted_config(tmp_path)
    planted_bundles(tmp_path, *VERSIONS)
    config = load_config(tmp_path / "p.yaml")
    rules = Rules(Traffic(stable="v3", canary="v0", canary_share=0.1), Traffic(stable="v1"))
    write_rules(config.bundle_folder, rules)
    assert prune_bundles(config, 1) == ["v4"]
    assert {path.name for path in config.bundle_folder.iterdir()} == {"v0", "v1", "v2", "v3", "v5", ".traffic.json"}
    (config.bundle_folder / ".traffic.json").write_text("{")
    with pytest.raises(TrafficError):
        prune_bundles(config, 1)


def test_pruning_counts_what_it_removed(tmp_path, metadata):
    home = planted_config(tmp_path, keep_runs=1, keep_bundles=1)
    planted_bundles(tmp_path, *VERSIONS)
    for number in range(3):
        run = begin_attempt(home, ask_for_run(home, "daily", "hand", NOON + number), NOON)
        (home / run.log).parent.mkdir(parents=True, exist_ok=True)
        (home / run.log).write_text("log")
        finish_run(home, run.id, "succeeded", NOON, 0, None)
        made = metadata.artifact("Trainer", number)
        metadata.run(("Trainer", COMPLETE, f"log{number}", [made]), ("BundlePusher", COMPLETE, None, []))
    removed = prune(home, the_schedule(home, "daily").schedule)
    assert removed == Pruned(runs=2, artifacts=2, prepared_logs=2, bundles=4)
    assert [path.name for path in (home / "logs" / "daily").iterdir()] == ["3.log"]
    assert [run.id for run in history(home)] == [3]


def test_nothing_is_removed_while_a_run_goes_on(tmp_path, monkeypatch):
    home = planted_config(tmp_path, keep_bundles=1)
    planted_bundles(tmp_path, *VERSIONS)

    def busy(folder, what):
        raise FolderBusyError(f"{what} {folder} is in use")

    monkeypatch.setattr(retention, "only_process_in", busy)
    with pytest.raises(FolderBusyError):
        prune(home, the_schedule(home, "daily").schedule)
    assert len(list((tmp_path / "bundles" / "p").iterdir())) == len(VERSIONS)
