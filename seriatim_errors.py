"""The one tree of errors that the packages raise for what a user can mend.

Every message names the field, the value and the way out. The command line prints the message without a
traceback and ends with `exit_code`; the gRPC service maps the same classes to status codes.
"""

from __future__ import annotations


class SeriatimError(Exception):
    """Root of all errors that Seriatim raises on purpose; `exit_code` is the command line's exit status."""

    exit_code = 1


class DataError(SeriatimError):
    """Input data break a contract: a click log, a catalogue or a feature matrix."""

    exit_code = 3


class ConfigError(SeriatimError):
    """A configuration names an unknown key or holds a value of the wrong type or range."""

    exit_code = 4


class BundleError(SeriatimError):
    """A model bundle is missing, incomplete, corrupt or of another schema version."""

    exit_code = 5


class ServiceError(SeriatimError):
    """The gRPC service cannot start or a call to it failed."""

    exit_code = 6


class PipelineError(SeriatimError):
    """A pipeline component failed; the message names the component and the log file."""

    exit_code = 7


class TrainingError(SeriatimError):
    """Training cannot proceed on the given data or settings, for instance without a positive example."""

    exit_code = 8


class StructureError(SeriatimError):
    """A label graph or its scores do not fit together, or the graph is not of the kind a method needs."""

    exit_code = 9
