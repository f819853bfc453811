"""From Keras models to what a service runs: ONNX graphs, and folders of cascades."""

from vision_components.export.cascade_folder import export_cascade
from vision_components.export.stage import StageAnswers, export_stage

__all__ = ["StageAnswers", "export_cascade", "export_stage"]
