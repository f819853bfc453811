"""Training stages: each reads examples, trains one model and writes its artefacts; none knows TFX."""
