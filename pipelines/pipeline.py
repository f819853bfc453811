"""The pipeline, top to bottom: click log in, validated and pushed bundle out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfx.components.example_validator.component import ExampleValidator
from tfx.components.schema_gen.component import SchemaGen
from tfx.components.statistics_gen.component import StatisticsGen
from tfx.components.transform.component import Transform
from tfx.dsl.components.base.base_node import BaseNode
from tfx.types.channel import Channel

from pipelines.click_log import FeatureColumns
from pipelines.components.analysis import ModelAnalysis
from pipelines.components.catalogue_gen import ItemCatalogueGen
from pipelines.components.example_gen import ClickLogExampleGen
from pipelines.components.images import CascadeTrainer, ThumbnailScorer
from pipelines.components.publishers import BundleBuilder, BundleEvaluator, BundlePusher, ServingValidator
from pipelines.components.trainers import (
    BaseRanker,
    ClickSimulator,
    GateTrainer,
    LabellerTrainer,
    Seq2SlateTrainer,
)
from pipelines.config import PipelineConfig
from pipelines.fingerprints import code_fingerprint, data_fingerprint, fingerprint, settings_of
from pipelines.held_out_words import held_out_words
from pipelines.images_of_run import RunImages, with_image_features
from pipelines.ingest import PreparedLog
from pipelines.item_catalogue import ItemCatalogue
from pipelines.simulation import planted_edges
from pipelines.stages.training_data import columns_to_json
from pipelines.stages.warm_start import WarmStart

PREPROCESSING = "pipelines.components.preprocessing.preprocessing_fn"


@dataclass(frozen=True)
class PipelineInputs:
    """What a pipeline is built from.

    Attributes:
        config: the whole configuration.
        log: the prepared log.
        catalogue: the items' tags; None without a labeller.
        images: the items' thumbnails; None where none are read.
        baseline: folder of the bundle that the new one must not fall behind; None for the first.
        warm_start: what stages start from that are told to.
        later: version of a pushed bundle of later days, which the new one must not replace; empty for none.
    """

    config: PipelineConfig
    log: PreparedLog
    catalogue: ItemCatalogue | None
    images: RunImages | None
    baseline: Path | None
    warm_start: WarmStart
    later: str = ""


def build_pipeline(inputs: PipelineInputs) -> list[BaseNode]:
    """The components in order; stages that the configuration leaves out have none."""
    config, log = inputs.config, inputs.log
    log1p = config.transform.kind == "log1p_standardise"
    columns = with_image_features(log.columns, inputs.images)
    shared = {"columns": columns_to_json(columns), "code": code_fingerprint()}
    trained = {**shared, "seed": config.seed}
    standardised = {**trained, "log1p": log1p}

    image_components, pictures = _image_components(inputs, shared["code"])
    example_gen = ClickLogExampleGen(log_folder=str(log.folder.resolve()), fingerprint=log.fingerprint, **pictures)
    examples = example_gen.outputs["examples"]
    statistics = StatisticsGen(examples=examples)
    # Item lists differ in length from request to request, so a feature has no fixed shape.
    schema = SchemaGen(statistics=statistics.outputs["statistics"], infer_feature_shape=False)
    validator = ExampleValidator(statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"])
    components: list[BaseNode] = [*image_components, example_gen, statistics, schema, validator]
    stages, clicks, graph = {}, {}, None
    # A base ranker and a labeller take features as they are.
    if config.gate is not None or config.seq2slate is not None or config.clicks.source == "simulate":
        # The stages read standardisation constants from the graph, so nothing needs materialising.
        transform = Transform(
            examples=examples,
            schema=schema.outputs["schema"],
            preprocessing_fn=PREPROCESSING,
            custom_config={
                "context": list(columns.context),
                "candidate": list(columns.candidate),
                "log1p": log1p,
            },
            materialize=False,
            disable_statistics=True,
        )
        graph = transform.outputs["transform_graph"]
        components.append(transform)

    if config.base_ranker is not None:
        base_ranker = BaseRanker(examples=examples, settings=config.base_ranker.model_dump_json(), **trained)
        stages["base_ranker"] = base_ranker.outputs["model"]
        components.append(base_ranker)
        if inputs.images is not None:
            own = {**trained, "columns": columns_to_json(log.columns)}
            settings = config.base_ranker.model_dump_json()
            without = BaseRanker(examples=examples, settings=settings, **own).with_id("BaseRankerWithoutImages")
            pictures["without_images"] = without.outputs["model"]
            components.append(without)
    if config.clicks.source == "simulate":
        simulator = ClickSimulator(
            examples=examples,
            transform_graph=graph,
            base_ranker=stages["base_ranker"],
            settings=config.clicks.model_dump_json(),
            **standardised,
        )
        clicks["clicks"] = simulator.outputs["clicks"]
        components.append(simulator)
    if config.gate is not None:
        gate = GateTrainer(
            examples=examples,
            transform_graph=graph,
            settings=config.gate.model_dump_json(),
            warm_start=inputs.warm_start.model_dump_json() if config.gate.warm_start else "",
            **clicks,
            **standardised,
        )
        stages["gate"] = gate.outputs["model"]
        components.append(gate)
    if config.seq2slate is not None:
        seq2slate = Seq2SlateTrainer(
            examples=examples,
            transform_graph=graph,
            base_ranker=stages["base_ranker"],
            settings=config.seq2slate.model_dump_json(),
            slate_size=config.serving.slate_size,
            warm_start=inputs.warm_start.model_dump_json() if config.seq2slate.warm_start else "",
            **clicks,
            **standardised,
        )
        stages["seq2slate"] = seq2slate.outputs["model"]
        components.append(seq2slate)

    if config.labeller is not None and config.data.items is not None and inputs.catalogue is not None:
        catalogue_gen = ItemCatalogueGen(
            path=str(config.data.items.local.resolve()),
            label_prefix=config.labeller.label_prefix,
            fingerprint=inputs.catalogue.fingerprint,
            code=shared["code"],
        )
        labeller = LabellerTrainer(
            examples=examples,
            catalogue=catalogue_gen.outputs["catalogue"],
            item_columns=columns_to_json(FeatureColumns((), columns.of_item)),
            settings=config.labeller.model_dump_json(),
            seed=config.seed,
            code=shared["code"],
        )
        stages["labeller"] = labeller.outputs["model"]
        components += [catalogue_gen, labeller]

    described = {**shared, "config": settings_of(config), "data": _described(inputs)}
    evaluator = BundleEvaluator(
        examples=examples,
        baseline=str(inputs.baseline.resolve()) if inputs.baseline else "",
        log_path=str(config.data.path.local.resolve()) if config.evaluation.off_policy else "",
        **stages,
        **clicks,
        **pictures,
        **described,
    )
    analysis: list[BaseNode] = []
    if config.evaluation.model_analysis:
        evaluation, settings = evaluator.outputs["evaluation"], config.evaluation.model_dump_json()
        analysis.append(ModelAnalysis(evaluation=evaluation, settings=settings, code=shared["code"]))
    builder = BundleBuilder(examples=examples, evaluation=evaluator.outputs["evaluation"], **stages, **described)
    serving_validator = ServingValidator(bundle=builder.outputs["bundle"], code=shared["code"])
    pusher = BundlePusher(
        bundle=builder.outputs["bundle"],
        model_blessing=evaluator.outputs["blessing"],
        infra_blessing=serving_validator.outputs["blessing"],
        bundle_folder=str(config.bundle_folder.resolve()),
        later=inputs.later,
        code=shared["code"],
    )
    return [*components, evaluator, *analysis, builder, serving_validator, pusher]


def _image_components(inputs: PipelineInputs, code: str) -> tuple[list[BaseNode], dict[str, Channel]]:
    """What reads the thumbnails, and the channels of what it finds."""
    config, images = inputs.config, inputs.images
    if config.images is None or config.data.items is None or images is None:
        return [], {}
    catalogue = str(config.data.items.local.resolve())
    names, components, source = images.names.to_json(), list[BaseNode](), dict[str, Any]()
    if config.images.cascade is None:
        settings = config.images.model_dump_json(exclude={"cache_root"})
        trainer = CascadeTrainer(
            catalogue=catalogue,
            names=names,
            settings=settings,
            version=fingerprint([images.fingerprint, settings, config.seed, code]),
            seed=config.seed,
            code=code,
        )
        components.append(trainer)
        source["cascade"] = trainer.outputs["cascade"]
    else:
        source["folder"] = str(config.images.cascade.resolve())
    scorer = ThumbnailScorer(
        catalogue=catalogue,
        column=config.images.column,
        names=names,
        fingerprint=images.fingerprint,
        max_bad_share=config.data.max_bad_share,
        opening=config.images.opening.model_dump_json(),
        cache=str(config.images.cache_root.resolve()),
        code=code,
        **source,
    )
    return [*components, scorer], {"image_features": scorer.outputs["features"]}


def _described(inputs: PipelineInputs) -> str:
    """The summary of log and catalogue as it goes into the metrics file and the manifest."""
    log, items = inputs.log, inputs.config.data.items
    return json.dumps(
        {
            "fingerprint": data_fingerprint(log, inputs.catalogue, inputs.images),
            "planted_edges": None if items is None or inputs.catalogue is None else planted_edges(items.local),
            "counts": {
                "requests": log.requests,
                "rows": log.rows,
                "clicks": log.clicks,
                "quarantined": sum(log.quarantined.values()),
                "quarantine_reasons": log.quarantined,
                "features": len(with_image_features(log.columns, inputs.images).names),
                "spans": None if log.spans is None else log.spans.model_dump(),
            },
            "held_out": held_out_words(inputs.config),
        },
        sort_keys=True,
    )
