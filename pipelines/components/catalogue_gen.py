"""The item catalogue as an artifact: what the labeller learned from stays known when its file changes."""

from pathlib import Path

from tfx.dsl.component.experimental.annotations import OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component

from pipelines.components.artifacts import ItemCatalogue
from pipelines.components.trainers import made
from pipelines.stages.catalogue import keep_catalogue


@component
def ItemCatalogueGen(  # noqa: N802  (components are named like classes)
    catalogue: OutputArtifact[ItemCatalogue],
    path: Parameter[str],
    label_prefix: Parameter[str],
    fingerprint: Parameter[str],
    code: Parameter[str],
) -> None:
    """Keep the items and tags of the catalogue at `path`; a changed `fingerprint` has it read again."""
    catalogue.set_string_custom_property("fingerprint", fingerprint)
    keep_catalogue(Path(path), label_prefix, fingerprint, made(catalogue.uri))
