"""Subcommands of the command line that concern data, pipelines and reports."""
