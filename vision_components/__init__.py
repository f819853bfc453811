"""Vision: committees, compressed backbones, the image codec and sky enhancement."""
