"""A store of metadata as a pipeline leaves it, made through ML Metadata alone: three components, run twice."""

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

from tests.pipelines.made_up_metrics import HOSTILE

FIRST, SECOND = "2024-01-01T00:00:00.5+00:00", "2024-01-02T00:00:00.5+00:00"
MADE, CACHED, FAILED = mlmd.Execution.COMPLETE, mlmd.Execution.CACHED, mlmd.Execution.FAILED


class MadeUpStore:
    """Writes executions with their artifacts and contexts, in the way that TFX does."""

    def __init__(self, folder, pipeline="demo"):
        connection = mlmd.ConnectionConfig()
        connection.sqlite.filename_uri = str(folder / "metadata.sqlite")
        connection.sqlite.connection_mode = mlmd.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
        self.store, self.folder, self.pipeline = MetadataStore(connection), folder, pipeline

    def context(self, kind, name):
        found = self.store.get_context_by_type_and_name(kind, name)
        if found is not None:
            return found
        type_id = self.store.put_context_type(mlmd.ContextType(name=kind))
        made = mlmd.Context(type_id=type_id, name=name)
        [made.id] = self.store.put_contexts([made])
        return made

    def execute(self, run, component, inputs, outputs, state=MADE, **settings):
        """An execution of `component` in the run that started at `run`; artifacts by name, new ones are written."""
        type_id = self.store.put_execution_type(mlmd.ExecutionType(name=f"pipelines.components.x.{component}"))
        execution = mlmd.Execution(type_id=type_id, last_known_state=state)
        for name, value in settings.items():
            execution.custom_properties[name].string_value = value
        events = [(mlmd.Event.INPUT, *one) for one in inputs.items()]
        events += [(mlmd.Event.OUTPUT, *one) for one in outputs.items()]
        pairs = []
        for kind, name, artifact in events:
            event = mlmd.Event(type=kind)
            event.path.steps.add().key = name
            event.path.steps.add().index = 0
            pairs.append((artifact, event))
        contexts = [
            self.context("pipeline", self.pipeline),
            self.context("pipeline_run", run),
            self.context("node", f"{self.pipeline}.{component}"),
        ]
        _, ids, _ = self.store.put_execution(execution, pairs, contexts)
        for (artifact, _), artifact_id in zip(pairs, ids, strict=True):
            artifact.id = artifact_id

    def artifact(self, kind, place, **facts):
        made = mlmd.Artifact(type_id=self.store.put_artifact_type(mlmd.ArtifactType(name=kind)), uri=str(place))
        for name, value in facts.items():
            made.custom_properties[name].string_value = value
        return made


def make_lineage(folder, baseline="", state=MADE):
    """Two runs in the store of `folder`; the second uses the examples of the first again and pushes a bundle."""
    store = MadeUpStore(folder)
    place = folder.resolve() / "artifacts" / "examples" / "1"
    examples = store.artifact("Examples", place, fingerprint="f00d", span="7", tfx_version="1.15.1")
    store.execute(FIRST, "ClickLogExampleGen", {}, {"examples": examples})
    store.execute(SECOND, "ClickLogExampleGen", {}, {"examples": examples}, CACHED)
    evaluation = store.artifact("ModelEvaluation", "/elsewhere/evaluation", note=HOSTILE)
    store.execute(
        SECOND, "BundleEvaluator", {"examples": examples}, {"evaluation": evaluation}, baseline=baseline, code="c0de"
    )
    pushed = store.artifact("PushedModel", "/elsewhere/pushed", pushed_version="v2")
    store.execute(SECOND, "BundlePusher", {"evaluation": evaluation, "examples": examples}, {"pushed": pushed}, state)
    return folder
