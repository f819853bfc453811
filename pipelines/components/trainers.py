"""Components that train: base ranker, simulated clicks, gate, seq2slate, labeller."""

from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Examples, Model, TransformGraph

from pipelines.components.artifacts import ItemCatalogue, SimulatedClicks
from pipelines.config import BaseRankerConfig, ClicksConfig, GateConfig, LabellerConfig, Seq2SlateConfig
from pipelines.examples import read_standardisation
from pipelines.stages.base_ranker import train_base_ranker
from pipelines.stages.gate import train_rate_constrained_gate
from pipelines.stages.labeller import train_labeller
from pipelines.stages.seq2slate import train_reranker
from pipelines.stages.simulated_clicks import simulate_clicks
from pipelines.stages.training_data import TrainingData, columns_from_json
from pipelines.stages.warm_start import WarmStart


@component
def BaseRanker(  # noqa: N802  (components are named like classes)
    examples: InputArtifact[Examples],
    model: OutputArtifact[Model],
    columns: Parameter[str],
    settings: Parameter[str],
    seed: Parameter[int],
    code: Parameter[str],
) -> None:
    """Train LambdaMART; `code` is part of the cache key alone, here and below."""
    train_base_ranker(
        TrainingData(Path(examples.uri), columns_from_json(columns)),
        BaseRankerConfig.model_validate_json(settings),
        seed,
        made(model.uri),
    )


@component
def ClickSimulator(  # noqa: N802
    examples: InputArtifact[Examples],
    transform_graph: InputArtifact[TransformGraph],
    base_ranker: InputArtifact[Model],
    clicks: OutputArtifact[SimulatedClicks],
    columns: Parameter[str],
    settings: Parameter[str],
    log1p: Parameter[bool],
    seed: Parameter[int],
    code: Parameter[str],
) -> None:
    """Simulate clicks on the base ranker's order."""
    simulate_clicks(
        TrainingData(Path(examples.uri), columns_from_json(columns)),
        Path(base_ranker.uri),
        read_standardisation(Path(transform_graph.uri), log1p),
        ClicksConfig.model_validate_json(settings),
        seed,
        made(clicks.uri),
    )


@component
def GateTrainer(  # noqa: N802
    examples: InputArtifact[Examples],
    transform_graph: InputArtifact[TransformGraph],
    model: OutputArtifact[Model],
    columns: Parameter[str],
    settings: Parameter[str],
    log1p: Parameter[bool],
    seed: Parameter[int],
    code: Parameter[str],
    warm_start: Parameter[str],
    clicks: InputArtifact[SimulatedClicks] = None,
) -> None:
    """Train the rate-constrained gate, from the weights that `warm_start` (JSON, or empty) names."""
    train_rate_constrained_gate(
        training_data(examples, columns, clicks),
        read_standardisation(Path(transform_graph.uri), log1p),
        GateConfig.model_validate_json(settings),
        seed,
        made(model.uri),
        WarmStart.model_validate_json(warm_start) if warm_start else None,
    )


@component
def Seq2SlateTrainer(  # noqa: N802
    examples: InputArtifact[Examples],
    transform_graph: InputArtifact[TransformGraph],
    base_ranker: InputArtifact[Model],
    model: OutputArtifact[Model],
    columns: Parameter[str],
    settings: Parameter[str],
    slate_size: Parameter[int],
    log1p: Parameter[bool],
    seed: Parameter[int],
    code: Parameter[str],
    warm_start: Parameter[str],
    clicks: InputArtifact[SimulatedClicks] = None,
) -> None:
    """Train seq2slate on lists in base order, from the weights that `warm_start` (JSON, or empty) names."""
    train_reranker(
        training_data(examples, columns, clicks),
        Path(base_ranker.uri),
        read_standardisation(Path(transform_graph.uri), log1p),
        Seq2SlateConfig.model_validate_json(settings),
        slate_size,
        seed,
        made(model.uri),
        WarmStart.model_validate_json(warm_start) if warm_start else None,
    )


@component
def LabellerTrainer(  # noqa: N802
    examples: InputArtifact[Examples],
    catalogue: InputArtifact[ItemCatalogue],
    model: OutputArtifact[Model],
    item_columns: Parameter[str],
    settings: Parameter[str],
    seed: Parameter[int],
    code: Parameter[str],
) -> None:
    """Train the label forest on the catalogue's tags and the log's features of items, `item_columns`."""
    train_labeller(
        training_data(examples, item_columns, None),
        Path(catalogue.uri),
        LabellerConfig.model_validate_json(settings),
        seed,
        made(model.uri),
    )


def training_data(examples: Examples, columns: str, clicks: SimulatedClicks | None) -> TrainingData:
    """The stage's input from the component's."""
    return TrainingData(Path(examples.uri), columns_from_json(columns), None if clicks is None else Path(clicks.uri))


def made(uri: str) -> Path:
    """The artifact's folder, made when absent."""
    folder = Path(uri)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
