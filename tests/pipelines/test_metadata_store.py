"""ML Metadata on a server: runs are recorded, found again and told apart there."""

import pytest

from pipelines.config import load_config
from pipelines.metadata_config import MetadataConfig
from pipelines.metadata_connection import metadata_connection
from pipelines.report.lineage import read_lineage
from pipelines.run import run
from pipelines.scheduling.retention import prune_artifacts
from seriatim_errors import ConfigError, PipelineError
from tests.pipelines.postgresql import USER, postgresql
from tests.pipelines.small_pipeline import told_to

CONFIG = """
name: {name}
data: {{path: {root}/clicks.parquet, simulate: {{requests: 60, seed: 1}}}}
base_ranker: {{trees: {trees}, folds: 2}}
gate: null
seq2slate: null
evaluation: {{bootstrap_samples: 100, model_analysis: false}}
serving: {{slate_size: 3, golden_requests: 2}}
metadata: {{kind: postgresql, port: {port}, database: metadata, user: {user}}}
run_root: {root}/runs
bundle_root: {root}/bundles
"""


def run_named(name, root, port, trees=5):
    """Run a pipeline with a base ranker alone; returns its folder and its components' caching by name."""
    path = root / f"{name}.yaml"
    path.write_text(CONFIG.format(name=name, root=root, port=port, user=USER, trees=trees))
    cached = {}
    finished = run(load_config(path), told_to(cached))
    return finished.folder, cached


@pytest.mark.slow
def test_two_pipelines_share_a_server_and_find_their_own_runs_there(tmp_path):
    with postgresql() as port:
        one, made = run_named("one", tmp_path, port)
        assert not any(made.values())
        # Nothing that is trained here reads standardised features.
        assert "Transform" not in made
        other, made = run_named("other", tmp_path, port)
        assert not any(made.values())
        _, cached = run_named("one", tmp_path, port)
        assert all(cached.values())
        assert not (one / "metadata.sqlite").exists()
        for folder in (one, other):
            lineage = read_lineage(folder)
            assert {step.component for step in lineage.steps} == set(made)
            places = [artifact.place for artifact in lineage.artifacts.values()]
            assert all(place.startswith("artifacts/") for place in places), places
        assert {step.state for step in read_lineage(one).steps} == {"cached"}
        before = {path for path in tmp_path.glob("runs/*/artifacts/*/*/*") if path.is_dir()}
        run_named("one", tmp_path, port, trees=6)
        kept = load_config(tmp_path / "one.yaml")
        assert prune_artifacts(kept, 1) != (0, 0)
        removed = {path.relative_to(tmp_path).parts[1:4:2] for path in before if not path.exists()}
        assert ("one", "BaseRanker") in removed
        assert {name for name, _ in removed} == {"one"}
        assert prune_artifacts(kept, 1) == (0, 0)
    with pytest.raises(PipelineError, match=rf"the store \(postgresql at 127\.0\.0\.1:{port}\) cannot be reached"):
        run_named("one", tmp_path, port)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"host": "db"}, "host: of a server, and kind is sqlite"),
        ({"kind": "mysql", "user": "me"}, "kind 'mysql' needs a database and a user"),
    ],
)
def test_a_store_that_is_told_by_halves_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        MetadataConfig.model_validate(given)


def test_the_password_comes_from_the_environment(tmp_path, monkeypatch):
    told = {"kind": "mysql", "host": "db", "database": "m", "user": "me", "password_variable": "SERIATIM_TEST_PASSWORD"}
    config = MetadataConfig.model_validate(told)
    with pytest.raises(ConfigError, match="the environment has no 'SERIATIM_TEST_PASSWORD'"):
        metadata_connection(config, tmp_path)
    monkeypatch.setenv("SERIATIM_TEST_PASSWORD", "open")
    connection = metadata_connection(config, tmp_path).mysql
    assert (connection.host, connection.port, connection.database) == ("db", 3306, "m")
    assert (connection.user, connection.password) == ("me", "open")
