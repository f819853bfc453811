"""A configured pipeline as the artefact of another orchestrator."""
