"""Subcommands of the command line that concern the service."""
