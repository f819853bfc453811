"""The configuration: one YAML file, one model; an unknown key or a wrong value is named with its line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from pipelines.beam_options import require_beam_options
from pipelines.images_config import ImagesConfig
from pipelines.locations import LocalPath, Location
from pipelines.metadata_config import MetadataConfig
from pipelines.slate_value_config import SlateValueConfig
from pipelines.slices_config import SlicedColumn
from pipelines.spans_config import SpansConfig
from ranking.reranker_choices import EncoderKind, StepLoss, Training
from seriatim_config import Section, read_config

LogFormat = Literal["auto", "parquet", "csv", "jsonl", "letor", "lightgbm", "open_bandit", "event_log"]
# A year and a day.
LONGEST_CLICK_SECONDS = 366.0 * 24 * 3600
Share = Annotated[float, Field(gt=0, lt=1)]


class SimulationConfig(Section):
    """The simulated marketplace that stands in when `data.path` does not exist yet."""

    requests: int = Field(3000, ge=10, description="Requests in the log.")
    seed: int = Field(0, ge=0, description="Seed of the marketplace; the same seed gives the same log.")


class DataConfig(Section):
    """Where the click log lies and how it is split."""

    path: Location = Field(
        description="Click log: a file, a folder that `train` and `evaluation` look into, or a layout by `{date}`."
    )
    format: LogFormat = Field("auto", description="`auto` goes by the file's name.")
    train: tuple[str, ...] = Field((), description="File patterns under `path` to train on; empty: `path`.")
    evaluation: tuple[str, ...] = Field((), description="File patterns under `path` to evaluate on.")
    evaluation_share: Share = Field(0.2, description="Share of requests held out when `evaluation` is empty.")
    ignore_columns: tuple[str, ...] = Field((), description="Columns of the log that are no features.")
    max_bad_share: float = Field(0.01, ge=0, le=1, description="A run stops above this share of bad rows.")
    max_request_rows: int = Field(
        10_000, ge=1, description="Rows kept of one request, the first by position; the others are bad rows."
    )
    click_action: str = Field("click", min_length=1, description="Action of an event log that counts as a click.")
    click_window: float = Field(
        3600.0, gt=0, le=LONGEST_CLICK_SECONDS, description="Seconds after a slate within which a click counts."
    )
    items: Location | None = Field(None, description="Item catalogue: tags for the labeller, thumbnails for `images`.")
    simulate: SimulationConfig | None = Field(None, description="Make the log at `path` when it is absent.")
    spans: SpansConfig | None = Field(None, description="A window of days, where the log grows by daily folders.")

    @property
    def dated(self) -> bool:
        """Whether `path` is a layout with a folder or a file for each day."""
        return "{date}" in str(self.path)

    @model_validator(mode="after")
    def _spans_fit_the_path(self) -> DataConfig:
        path = str(self.path)
        for mark in ("{date}", "{version}"):
            if path.count(mark) > 1:
                raise ValueError(f"path {path} holds {mark} {path.count(mark)} times; keep one")
        if "{version}" in path and not self.dated:
            raise ValueError(f"path {path} holds {{version}} without {{date}}; versions are of a day")
        if re.search(r"[*?].*\{version\}", path):
            raise ValueError(
                f"path {path} holds {{version}} behind * or ?, and the highest version is that of the whole day; "
                "put them behind {version}"
            )
        if self.spans is None:
            if self.dated:
                raise ValueError(
                    f"path {path} holds {{date}}; say with spans (such as spans: {{window: 7}}) which days"
                )
            return self
        if not self.dated and self.format != "event_log":
            raise ValueError(
                f"spans needs {{date}} in path (it is {path}), such as logs/{{date}}/log.parquet; only an event log "
                "has days by the times of its slates"
            )
        if self.train or self.evaluation:
            raise ValueError("spans chooses the files; leave train and evaluation out")
        if self.simulate is not None:
            raise ValueError("simulate makes a log of one file; leave it or spans out")
        return self

    @model_validator(mode="after")
    def _simulated_here(self) -> DataConfig:
        if self.simulate is not None and not self.path.is_local:
            raise ValueError("data.simulate makes a log on this machine and path is remote; set simulate to null")
        return self


class ClicksConfig(Section):
    """Which clicks to learn from: the log's, or clicks simulated on the base ranker's order."""

    source: Literal["log", "simulate"] = Field("log", description="`simulate` needs graded relevance.")
    model: Literal["cascade", "diverse_clicks", "similar_clicks"] = Field(
        "diverse_clicks", description="The simulated user."
    )
    eta: float = Field(0.0, ge=0, description="Position i is observed with probability 1 / i**eta.")
    similarity_quantile: float = Field(0.5, ge=0, le=1, description="Quantile of pairwise distances.")
    relevant_grade: float = Field(1.0, description="Grades at or above this are relevant.")


class TransformConfig(Section):
    """What happens to features before a neural model reads them."""

    kind: Literal["standardise", "log1p_standardise"] = Field(
        "standardise", description="`log1p_standardise` first takes the signed log(1 + |x|), for heavy tails."
    )


class BaseRankerConfig(Section):
    """LightGBM LambdaMART, the order that everything later starts from."""

    label: Literal["clicked", "grade"] = Field("clicked", description="Column to learn from.")
    trees: int = Field(300, ge=1, description="Most trees.")
    leaves: int = Field(15, ge=2, description="Most leaves of a tree.")
    learning_rate: float = Field(0.05, gt=0, description="Shrinkage of each tree.")
    patience: int = Field(50, ge=0, description="Rounds without gain before training stops; 0: never.")
    folds: int = Field(3, ge=2, description="Folds of the out-of-fold scores that order training lists.")
    weighting: Literal["log", "inverse_propensity"] = Field(
        "log", description="What an item counts: the log's `weight`, or that over its logged propensity."
    )
    max_weight: float = Field(30.0, ge=1, description="Where `1 / propensity` is cut with `inverse_propensity`.")


class GateConfig(Section):
    """The rate-constrained classifier that drops hopeless candidates before re-ranking."""

    label: Literal["clicked", "grade"] = Field("clicked", description="What counts as a positive.")
    relevant_grade: float = Field(1.0, description="With label `grade`: grades from here up are positive.")
    target_recall: Share = Field(0.95, description="Share of positives that must pass.")
    hidden_sizes: tuple[int, ...] = Field((32,), description="Hidden layer widths; empty: a linear scorer.")
    epochs: int = Field(20, ge=1, description="Passes over the items that are not positive.")
    batch_size: int = Field(4096, ge=16, description="Items in a batch.")
    learning_rate: float = Field(0.01, gt=0, description="Of Adam.")
    l2: float = Field(1e-3, ge=0, description="Weight of the squared weights in the loss.")
    folds: int = Field(5, ge=2, description="Folds of the out-of-fold scores that set the final threshold.")
    warm_start: bool = Field(False, description="Start from the weights of the newest pushed bundle, where they fit.")


class Seq2SlateConfig(Section):
    """The pointer network that re-ranks the gated candidates into the slate."""

    hidden_size: int = Field(128, ge=1, description="Width rho of encoder, decoder and attention.")
    encoder: EncoderKind = Field(
        "lstm", description="What reads the candidates; `set_transformer` forgets the base order."
    )
    nearness_levels: int = Field(
        0, ge=0, description="Distances at which the decoder sees the placed items, for users who want variety."
    )
    from_base_order: bool = Field(
        False, description="Whether it starts from the base order instead of learning it first; for few requests."
    )
    loss: StepLoss = Field("cross_entropy", description="Loss of one step.")
    training: Training = Field(
        "greedy", description="Whose path the loss follows: the best, a sampled one, the first step, or rewards."
    )
    decoding: Literal["greedy", "one_step"] = Field("greedy", description="How the service builds slates.")
    max_list_size: int = Field(100, ge=1, description="Candidates read; later ones keep the base order.")
    epochs: int = Field(20, ge=1, description="Most passes over the lists.")
    batch_size: int = Field(64, ge=1, description="Lists in a batch.")
    learning_rate: float = Field(3e-3, gt=0, description="Of Adam, falling by 4 % every 1,000 steps.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Share of input features dropped in training.")
    l2: float = Field(3e-4, ge=0, description="Weight of the squared weights in the loss.")
    patience: int = Field(5, ge=1, description="Epochs without gain in validation NDCG before training stops.")
    weight_averaging: float = Field(
        0.998, ge=0, lt=1, description="Decay a step of the weights' moving average, which is what is kept; 0: none."
    )
    warm_start: bool = Field(False, description="Start from the weights of the newest pushed bundle, where they fit.")


class LabellerConfig(Section):
    """The CRANK label forest, which sets the tags of the chosen items together."""

    label_prefix: str = Field("tag_", min_length=1, description="Columns of the catalogue that hold the tags.")
    ridge: float | None = Field(
        0.01, gt=0, description="Weight of the squared weights in the loss; null: chosen by cross-validation."
    )
    folds: int = Field(5, ge=2, description="Folds of that cross-validation, over items.")
    held_out_share: Share = Field(0.2, description="Share of the tagged items that only the evaluation sees.")


class EvaluationConfig(Section):
    """Metrics, intervals and the rule that blesses a bundle."""

    cutoffs: tuple[Annotated[int, Field(ge=1)], ...] = Field((5, 10), min_length=1, description="The k of the metrics.")
    bootstrap_samples: int = Field(1000, ge=100, description="Resamples behind every interval.")
    confidence: Share = Field(0.95, description="Of all intervals.")
    blessing_metric: str = Field("ndcg_at_10", description="Metric that decides whether a bundle is pushed.")
    blessing_margin: float = Field(
        0.02, description="Blessed when the paired difference's lower bound is above minus this."
    )
    slices: tuple[SlicedColumn, ...] = Field(
        (), description="Context columns to slice requests by, beside their candidates and clicks."
    )
    slice_margin: float | None = Field(
        None, ge=0, description="A slice shown to be worse by more than this blocks the push; null: none does."
    )
    min_slice_requests: int = Field(
        100, ge=2, description="Slices with fewer requests that count are shown and decide nothing."
    )
    diversity: tuple[str, ...] = Field(
        (), description="Item features between which `diversity_at_k` measures distances; empty: none is measured."
    )
    item_groups: tuple[SlicedColumn, ...] = Field(
        (), description="Item columns whose values, or ranges of values, are groups with an exposure each."
    )
    drift_threshold: float = Field(
        0.1, gt=0, le=1, description="Jensen-Shannon divergence from the last run's data that is cautioned against."
    )
    model_analysis: bool = Field(
        True, description="Analyse the judged items with TensorFlow Model Analysis too, for its own tools."
    )
    off_policy: bool = Field(False, description="Estimate the gate's value as a policy on single impressions.")
    slate_value: SlateValueConfig = SlateValueConfig()

    @field_validator("slices", "item_groups")
    @classmethod
    def _columns_are_sliced_once(cls, slices: tuple[SlicedColumn, ...]) -> tuple[SlicedColumn, ...]:
        columns = [one.column for one in slices]
        for column in columns:
            if columns.count(column) > 1:
                raise ValueError(f"column {column!r} stands twice; keep one of the two")
        return slices

    @model_validator(mode="after")
    def _blessing_metric_is_computed(self) -> EvaluationConfig:
        known = ["map", "mrr", "err", "ndcg", "rank_gain"]
        known += [f"{stem}_at_{k}" for stem in ("ndcg", "precision", "recall", "hit") for k in self.cutoffs]
        known += [f"diversity_at_{k}" for k in self.cutoffs if self.diversity]
        if self.blessing_metric not in known:
            raise ValueError(f"blessing_metric is not computed; choose one of {', '.join(known)}")
        return self


class ServingConfig(Section):
    """What the bundle promises to the service."""

    slate_size: int = Field(10, ge=1, description="Steps of the exported decoder.")
    golden_requests: int = Field(8, ge=1, description="Requests stored in the bundle for its self-test.")
    item_features: bool = Field(True, description="Store the items' features, for requests that name items alone.")


class PipelineConfig(Section):
    """The whole configuration of one pipeline."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_\-]*$", description="Names the run and its bundle folder.")
    seed: int = Field(0, ge=0, description="Fixes split, training, simulated clicks and bootstrap.")
    data: DataConfig
    clicks: ClicksConfig = ClicksConfig()
    transform: TransformConfig = TransformConfig()
    base_ranker: BaseRankerConfig | None = BaseRankerConfig()
    gate: GateConfig | None = GateConfig()
    seq2slate: Seq2SlateConfig | None = Seq2SlateConfig()
    labeller: LabellerConfig | None = None
    images: ImagesConfig | None = None
    evaluation: EvaluationConfig = EvaluationConfig()
    serving: ServingConfig = ServingConfig()
    metadata: MetadataConfig = MetadataConfig()
    run_root: LocalPath = Field(Path("runs"), description="Folder of runs.")
    bundle_root: Location = Field(Location("bundles"), description="Folder of pushed bundles, by pipeline name.")
    beam_options: tuple[str, ...] = Field(
        # DirectRunner works in this process: naming an image keeps TFX from packing itself up for workers,
        # which takes two seconds a component.
        ("--runner=DirectRunner", "--direct_running_mode=in_memory", "--sdk_container_image=none"),
        description="Passed to every Beam pipeline; one that Beam does not know is an error.",
    )

    @field_validator("beam_options")
    @classmethod
    def _beam_knows_its_options(cls, options: tuple[str, ...]) -> tuple[str, ...]:
        require_beam_options(options)
        return options

    @model_validator(mode="after")
    def _stages_fit_together(self) -> PipelineConfig:
        if self.seq2slate is not None and self.base_ranker is None:
            raise ValueError("seq2slate needs base_ranker: it reads candidates in the base ranker's order")
        if self.clicks.source == "simulate" and self.base_ranker is None:
            raise ValueError("clicks.source 'simulate' needs base_ranker: clicks fall on its order")
        if self.evaluation.off_policy and (self.data.format != "open_bandit" or self.gate is None):
            raise ValueError("evaluation.off_policy needs data.format 'open_bandit' and a gate")
        if self.evaluation.off_policy and self.data.spans is not None:
            raise ValueError("evaluation.off_policy reads the log as one; leave data.spans out")
        if self.labeller is not None and self.data.items is None:
            raise ValueError(
                "labeller needs data.items: it learns the tags of a catalogue; name one, or set it to null"
            )
        if self.images is not None and self.data.items is None:
            raise ValueError("images needs data.items: it reads a catalogue's thumbnails; name one, or set it to null")
        if self.images is not None and self.evaluation.off_policy:
            raise ValueError("evaluation.off_policy judges the log's own features; set images to null")
        if self.gate is None and self.base_ranker is None:
            raise ValueError("nothing to train: configure base_ranker, gate or both")
        return self

    @property
    def run_folder(self) -> Path:
        """Folder of this pipeline's runs: resolved config, ML Metadata, metrics, report, log."""
        return self.run_root / self.name

    @property
    def bundle_folder(self) -> Path:
        """Folder on this machine whose subfolders are this pipeline's pushed bundles."""
        return self.bundle_root.local / self.name if self.bundle_root.is_local else self.run_folder / "bundles"


def load_config(path: Path, overrides: dict[str, Any] | None = None) -> PipelineConfig:
    """Read and validate a configuration file.

    Args:
        path: YAML file.
        overrides: dotted keys to values, laid over the file (`{"data.path": "log.parquet"}`).

    Raises:
        ConfigError: the file is absent, is not YAML, or holds an unknown key or a wrong value; the message
            names the key, the line and the value.
    """
    return read_config(path, PipelineConfig, overrides)
