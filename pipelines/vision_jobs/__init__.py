"""What `seriatim vision` does with images and networks by themselves, outside a run."""
