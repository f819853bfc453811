"""`cascade.json`: what a cascade of image backbones is, and what its files are."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from serving.bundle.manifest import VERSION_PATTERN, FileEntry

SCHEMA_VERSION: Literal[1] = 1
CASCADE_FILE = "cascade.json"

ConfidenceKind = Literal["max_probability", "margin", "entropy"]
Combine = Literal["last", "mean"]
Side = Annotated[int, Field(ge=1, le=4096)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class InputSize(_Part):
    """Height and width in pixels that a stage reads."""

    height: Side
    width: Side


class CascadeStage(_Part):
    """One backbone as an ONNX graph; see docs/images.md for its input and outputs.

    An image leaves the cascade here when its confidence is at least `threshold`; the last stage has none.
    """

    file: str
    threshold: FiniteFloat | None = None
    cost: int = Field(ge=1, description="Multiply-adds of one image.")
    input_size: InputSize


class CascadeManifest(_Part):
    """`cascade.json`."""

    schema_version: Literal[1] = SCHEMA_VERSION
    version: str = Field(pattern=VERSION_PATTERN)
    class_names: tuple[str, ...] = Field(min_length=2)
    confidence: ConfidenceKind = "max_probability"
    combine: Combine = Field("mean", description="What answers: the mean of the stages that ran, or the last of them.")
    embedding_width: int = Field(0, ge=0, description="0: the graphs give no embedding.")
    stages: tuple[CascadeStage, ...] = Field(min_length=1)
    files: dict[str, FileEntry] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _class_names_differ(self) -> CascadeManifest:
        for place, name in enumerate(self.class_names):
            if name in self.class_names[:place]:
                raise ValueError(f"class name {name!r} stands twice; name every class once")
        return self

    @model_validator(mode="after")
    def _all_but_the_last_stage_have_a_threshold(self) -> CascadeManifest:
        *earlier, last = self.stages
        for place, stage in enumerate(earlier):
            if stage.threshold is None:
                raise ValueError(f"stages.{place} has no threshold; only the last stage goes without")
        if last.threshold is not None:
            raise ValueError(f"stages.{len(earlier)} is the last and has the threshold {last.threshold}; remove it")
        return self
