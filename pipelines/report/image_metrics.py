"""The part of a metrics file on thumbnails and the cascade that read them."""

from __future__ import annotations

from pydantic import Field, model_validator

from pipelines.report.metrics_parts import Count, Finite, Part, Share


class CascadeStageUse(Part):
    """A stage: multiply-adds of an image, and the items whose thumbnail left the cascade here."""

    cost: Count
    exits: Count


class BackboneScore(Part):
    """A backbone of the pool alone, on the held-out thumbnails."""

    name: str
    accuracy: Share
    cost: Count


class CascadeTraining(Part):
    """How the cascade was chosen: `accuracy` is on the images that its thresholds were set by, an optimist's."""

    trained_images: Count
    held_out_images: Count
    accuracy: Share
    backbones: tuple[BackboneScore, ...]


class ImageMetrics(Part):
    """What became of the items' thumbnails.

    Of the catalogue's items `items` got features, `without` have no thumbnail, and that of `unreadable` cannot be
    decoded; the latter two have zeros. `training` is None for a cascade that was given.
    """

    cascade: str
    class_names: tuple[str, ...]
    features: Count
    items: Count
    without: Count
    unreadable: Count
    stages: tuple[CascadeStageUse, ...] = Field(min_length=1)
    training: CascadeTraining | None = None

    @model_validator(mode="after")
    def _every_item_leaves_once(self) -> ImageMetrics:
        left = sum(stage.exits for stage in self.stages)
        if left != self.items:
            raise ValueError(f"stages: {left} items leave the cascade, and {self.items} came; count each once")
        return self

    @property
    def expected_cost(self) -> Finite:
        """Multiply-adds of a thumbnail on average, not a number without any."""
        spent, reached = 0, self.items
        for stage in self.stages:
            spent += stage.cost * reached
            reached -= stage.exits
        return spent / self.items if self.items else float("nan")
