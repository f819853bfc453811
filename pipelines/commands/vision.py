"""`seriatim vision`: what works on images and networks by itself, outside a run."""

from __future__ import annotations

import click

from seriatim_commands import LazyGroup, Subcommand

# Searching structures, coding images and improving skies, in this order.
SUBCOMMANDS: dict[str, Subcommand] = {
    "search": Subcommand("pipelines.commands.vision_search:search", "Make a network smaller within a budget."),
    "train-codec": Subcommand("pipelines.commands.vision_train_codec:train_codec", "Train an image codec."),
    "train-decoder": Subcommand(
        "pipelines.commands.vision_train_decoder:train_decoder", "Train a smaller decoder for a codec's files."
    ),
    "encode": Subcommand("pipelines.commands.vision_encode:encode", "Code pictures with a trained codec."),
    "decode": Subcommand("pipelines.commands.vision_decode:decode", "Write coded pictures as PNG."),
    "recode": Subcommand("pipelines.commands.vision_recode:recode", "Code the thumbnails of a catalogue."),
    "train-sky": Subcommand(
        "pipelines.commands.vision_train_sky:train_sky", "Train the network that finds skies, on labelled photos."
    ),
    "sky": Subcommand("pipelines.commands.vision_sky:sky", "Find the skies of photos and improve them."),
}


@click.group(cls=LazyGroup, subcommands=SUBCOMMANDS)
def vision() -> None:
    """Search structures, code images, improve skies."""
