"""Connections to the stores that remote locations lie in; what goes wrong with them is told in one sentence."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from datetime import timedelta

import pyarrow as pa
from pyarrow import fs

from pipelines.locations.location import Location
from seriatim_errors import DataError

CONNECT_SECONDS, SILENT_SECONDS, ATTEMPTS, GCS_SECONDS = 10.0, 20.0, 3, 30.0
DENIED = (
    "ACCESS_DENIED", "INVALID_ACCESS_KEY_ID", "INVALID_CLIENT_TOKEN_ID", "SIGNATURE_DOES_NOT_MATCH",
    "INVALID_SIGNATURE", "EXPIRED_TOKEN", "HTTP status 403", "PERMISSION_DENIED", "UNAUTHENTICATED",
)  # fmt: skip
UNREACHABLE = ("NETWORK_CONNECTION", "SERVICE_UNAVAILABLE", "UNAVAILABLE", "DEADLINE_EXCEEDED", "curl")
ELSEWHERE = ("HTTP status 301", "PermanentRedirect", "HTTP status 400")
ENDPOINTS = {"s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"), "gs": ("STORAGE_EMULATOR_HOST",)}
CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
}


def store_of(location: Location) -> fs.FileSystem:
    """The store of a remote location; credentials are those of the environment.

    Every attempt to connect ends after `CONNECT_SECONDS`, and every answer that does not come after `SILENT_SECONDS`.

    Raises:
        DataError: a setting is wrong, or the bucket's region cannot be found out.
    """
    settings = location.settings
    names = ENDPOINTS[location.scheme]
    given = next((os.environ[name] for name in names if os.environ.get(name)), "")
    endpoint = _endpoint(settings.get("endpoint_override", given))
    if "scheme" in settings:
        endpoint["scheme"] = settings["scheme"]
    # Nobody knows an emulator's keys.
    anonymous = settings.get("anonymous", "").lower() == "true" or (location.scheme == "gs" and bool(given))
    with plainly_told(location):
        if location.scheme == "gs":
            limit = timedelta(seconds=GCS_SECONDS)
            return fs.GcsFileSystem(anonymous=anonymous, retry_time_limit=limit, **endpoint)
        region = settings.get("region") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        if not region:
            region = "us-east-1" if endpoint else fs.resolve_s3_region(location.bucket)
        return fs.S3FileSystem(
            anonymous=anonymous,
            region=region,
            connect_timeout=CONNECT_SECONDS,
            request_timeout=SILENT_SECONDS,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
            **endpoint,
        )


@contextlib.contextmanager
def plainly_told(location: Location) -> Iterator[None]:
    """Turn a store's errors within the block into a DataError that names `location` and a way out."""
    try:
        yield
    except FileNotFoundError as error:
        # Google Cloud Storage lists a key that is not there as empty, and a bucket that is not there not at all.
        if "ListObjects" in str(error):
            raise DataError(f"{location}: {no_bucket(location)}") from None
        raise DataError(f"{location} does not exist; correct the key") from None
    except (OSError, pa.ArrowException) as error:
        if isinstance(error, OSError) and error.errno is not None and "google::" not in str(error):
            # Of this machine: what a store says comes without a number, but for some of Google's.
            raise
        raise DataError(f"{location}: {_reason(location, str(error))}") from None


def no_bucket(location: Location) -> str:
    """What to say where a location's bucket is missing."""
    return f"there is no bucket {location.bucket!r}; correct its name or the endpoint, or make it"


def _reason(location: Location, said: str) -> str:
    if "NO_SUCH_BUCKET" in said:
        return no_bucket(location)
    if any(one in said for one in DENIED):
        return (
            "access is denied; give credentials that may list, read and, for bundles, write there, by "
            f"{CREDENTIALS[location.scheme]}"
        )
    if any(one in said for one in UNREACHABLE):
        return "the store cannot be reached; check the network, the endpoint and the region, then run again"
    if any(one in said for one in ELSEWHERE):
        return "the store refuses the request, as it does when a bucket lies in another region; set AWS_REGION"
    return f"the store answers: {said}"


def _endpoint(given: str) -> dict[str, str]:
    """Arguments of a file system from `host:port` or `scheme://host:port`; none where nothing is given."""
    if not given:
        return {}
    scheme, mark, host = given.partition("://")
    return {"scheme": scheme, "endpoint_override": host.rstrip("/")} if mark else {"endpoint_override": given}
