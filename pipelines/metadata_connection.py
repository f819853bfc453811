"""How ML Metadata's store is reached."""

from __future__ import annotations

import os
from pathlib import Path

from ml_metadata import errors
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from pipelines.metadata_config import MetadataConfig
from pipelines.report.run_folders import METADATA_FILE
from seriatim_errors import ConfigError, PipelineError

PORTS = {"postgresql": 5432, "mysql": 3306}


def metadata_connection(
    config: MetadataConfig, run_folder: Path, read_only: bool = False
) -> metadata_store_pb2.ConnectionConfig:
    """What ML Metadata connects with.

    Args:
        config: where the store lies.
        run_folder: folder of the run, for SQLite's file.
        read_only: whether SQLite's file is only to be read; a server decides by its user's rights.

    Raises:
        ConfigError: the variable of the password is not set.
    """
    connection = metadata_store_pb2.ConnectionConfig()
    if config.kind == "sqlite":
        modes = metadata_store_pb2.SqliteMetadataSourceConfig
        connection.sqlite.filename_uri = str(run_folder.resolve() / METADATA_FILE)
        connection.sqlite.connection_mode = modes.READONLY if read_only else modes.READWRITE_OPENCREATE
        return connection
    port = config.port or PORTS[config.kind]
    if config.kind == "postgresql":
        server = connection.postgresql
        server.host, server.port, server.dbname = config.host, str(port), config.database or ""
    else:
        server = connection.mysql
        server.host, server.port, server.database = config.host, port, config.database or ""
    server.user, server.password = config.user or "", _password(config)
    return connection


def require_store(connection: metadata_store_pb2.ConnectionConfig, config: MetadataConfig) -> None:
    """Connect once, so that a server that is not there is told before anything runs.

    Raises:
        PipelineError: the store cannot be reached.
    """
    try:
        MetadataStore(connection)
    except (errors.StatusError, RuntimeError) as error:
        port = config.port or PORTS.get(config.kind)
        where = config.kind if port is None else f"{config.kind} at {config.host}:{port}"
        raise PipelineError(
            f"metadata: the store ({where}) cannot be reached: {str(error).splitlines()[0]}; "
            "start it, or correct metadata in the configuration"
        ) from None


def _password(config: MetadataConfig) -> str:
    if config.password_variable is None:
        return ""
    password = os.environ.get(config.password_variable)
    if password is None:
        raise ConfigError(
            f"metadata.password_variable: the environment has no {config.password_variable!r}; "
            "set it to the password, or leave the key out"
        )
    return password
