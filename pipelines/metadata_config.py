"""The part of the configuration on where ML Metadata lies."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from seriatim_config import Section


class MetadataConfig(Section):
    """The store of what each run read, made and can use again."""

    kind: Literal["sqlite", "postgresql", "mysql"] = Field(
        "sqlite", description="`sqlite`: a file in the run's folder; or a server: `postgresql`, `mysql`."
    )
    host: str = Field("127.0.0.1", min_length=1, description="Of the server.")
    port: int | None = Field(None, ge=1, le=65535, description="Of the server; null: 5432 or 3306.")
    database: str | None = Field(None, min_length=1, description="Database on the server; made when absent.")
    user: str | None = Field(None, min_length=1, description="Who the server knows us as.")
    password_variable: str | None = Field(
        None, min_length=1, description="Environment variable with the password; null: none is sent."
    )

    @model_validator(mode="after")
    def _a_server_is_told_in_full(self) -> MetadataConfig:
        told = {
            name for name in type(self).model_fields if getattr(self, name) != type(self).model_fields[name].default
        }
        if self.kind == "sqlite" and told:
            raise ValueError(
                f"{', '.join(sorted(told))}: of a server, and kind is sqlite; name its kind, or leave it out"
            )
        if self.kind != "sqlite" and (self.database is None or self.user is None):
            raise ValueError(f"kind {self.kind!r} needs a database and a user")
        return self
