"""The manifest of a bundle: what its files are, which features it reads, and where it came from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, field_validator, model_validator

SCHEMA_VERSION: Literal[1] = 1
MANIFEST_FILE = "manifest.json"
# A version names a folder: no separators, and no leading dot, which marks what is unfinished.
VERSION_PATTERN = r"^[0-9A-Za-z][0-9A-Za-z._-]*$"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Features(_Part):
    """Names of the features in model order: context first, then the candidates'."""

    context: tuple[str, ...] = ()
    item: tuple[str, ...]
    defaults: dict[str, float] = Field(default_factory=dict, description="Value of an item's missing feature.")

    @property
    def names(self) -> tuple[str, ...]:
        """Columns of the models' input matrix."""
        return self.context + self.item

    @model_validator(mode="after")
    def _names_differ(self) -> Features:
        for place, name in enumerate(self.names):
            if name in self.names[:place]:
                raise ValueError(f"feature {name!r} stands twice; name every column once")
        return self


class _Stage(_Part):
    file: str

    @property
    def named_files(self) -> tuple[str, ...]:
        """Files of the bundle that the stage loads."""
        return (self.file,)


class BaseRankerStage(_Stage):
    """Trees: an ONNX graph `features [items, features] -> scores [items]`, or a LightGBM text model (`.txt`)."""

    kind: Literal["base_ranker"] = "base_ranker"
    trees: int = Field(ge=1)


class RateTarget(_Part):
    """The rate a gate promises, and the interval it was measured with."""

    rate: Literal["recall"] = "recall"
    value: float = Field(gt=0, le=1)
    low: float
    high: float


class GateStage(_Stage):
    """An ONNX graph `features [items, features] -> scores [items]`; an item passes at `>= threshold`."""

    kind: Literal["gate"] = "gate"
    threshold: FiniteFloat
    target: RateTarget


class Seq2SlateStage(_Stage):
    """An ONNX graph that places `slate_size` items; see docs/bundle.md for its inputs and outputs."""

    kind: Literal["seq2slate"] = "seq2slate"
    slate_size: int = Field(ge=1)
    max_list_size: int = Field(ge=1)
    decoding: Literal["greedy", "one_step"] = "greedy"
    first_step: str | None = Field(
        None, description="Graph of the first step's logits alone; one-step decoding needs it."
    )

    @property
    def named_files(self) -> tuple[str, ...]:
        """Files of the bundle that the stage loads."""
        return (self.file,) if self.first_step is None else (self.file, self.first_step)

    @model_validator(mode="after")
    def _one_step_has_its_graph(self) -> Seq2SlateStage:
        if self.decoding == "one_step" and self.first_step is None:
            raise ValueError("decoding 'one_step' needs first_step; name its file")
        return self


class LabellerStage(_Stage):
    """An `.npz` of a label forest that sets joint labels on the placed items; see docs/bundle.md for its keys."""

    kind: Literal["labeller"] = "labeller"
    labels: int = Field(ge=1)
    edges: int = Field(ge=0)


Stage = Annotated[BaseRankerStage | GateStage | Seq2SlateStage | LabellerStage, Field(discriminator="kind")]


class ItemFeaturesEntry(_Part):
    """An LMDB file with the features of items, for requests that name them by id alone; see docs/features.md."""

    file: str
    items: int = Field(ge=0)


class TrainingDataSummary(_Part):
    """The data a bundle was trained on, and, of a log that grows by days, which of them."""

    fingerprint: str
    requests: int = Field(ge=0)
    rows: int = Field(ge=0)
    held_out: str | None = Field(None, description="What the evaluation was held out by, in words.")
    first_day: str | None = Field(None, description="First day of the window, ISO 8601; null without days.")
    trained_until: str | None = Field(None, description="Last day that was trained on.")
    last_day: str | None = Field(None, description="Last day of the window, held-out ones included.")


class FileEntry(_Part):
    """Checksum and size of one file of the bundle."""

    sha256: str
    bytes: int


class Manifest(_Part):
    """`manifest.json`."""

    schema_version: Literal[1] = SCHEMA_VERSION
    version: str = Field(pattern=VERSION_PATTERN)
    name: str
    created: str = Field(description="ISO 8601, UTC.")
    features: Features
    stages: tuple[Stage, ...] = Field(min_length=1)
    item_features: ItemFeaturesEntry | None = None
    metrics: dict[str, FiniteFloat] = Field(default_factory=dict)
    score_deciles: tuple[FiniteFloat, ...] | None = Field(
        None,
        min_length=9,
        max_length=9,
        description="Of the base scores in the evaluation, to hold the service's against.",
    )
    training_data: TrainingDataSummary
    config_fingerprint: str
    seed: int
    files: dict[str, FileEntry] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_stage_a_kind(self) -> Manifest:
        kinds = [stage.kind for stage in self.stages]
        if len(set(kinds)) != len(kinds):
            raise ValueError(f"stages: {kinds} holds a kind twice; give each stage once")
        return self

    @field_validator("score_deciles")
    @classmethod
    def _deciles_do_not_decrease(cls, deciles: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if deciles is not None and list(deciles) != sorted(deciles):
            raise ValueError("decreases; give the nine deciles from the lowest on")
        return deciles

    @property
    def named_files(self) -> list[tuple[str, str]]:
        """The files that the manifest relies on, each with what it is."""
        files = [(f"stage {stage.kind}", name) for stage in self.stages for name in stage.named_files]
        return files if self.item_features is None else [*files, ("item_features", self.item_features.file)]

    def stage(self, kind: str) -> Stage | None:
        """The stage of this kind, or None."""
        return next((stage for stage in self.stages if stage.kind == kind), None)


def first_mistake(error: ValidationError) -> str:
    """The first of a manifest's mistakes as `field: what is wrong`."""
    mistake = error.errors()[0]
    return f"{'.'.join(map(str, mistake['loc']))}: {mistake['msg']}"
