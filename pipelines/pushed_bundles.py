"""A pipeline's pushed bundles, on this machine and, where `bundle_root` is remote, in its store."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cached_property
from pathlib import PurePosixPath

import pyarrow as pa
from pyarrow import fs
from pydantic import ValidationError

from pipelines.config import PipelineConfig
from pipelines.locations.mirror import local_copy
from pipelines.locations.stores import no_bucket, plainly_told, store_of
from pipelines.remote_inputs import MIRRORS
from pipelines.stages.push import push_bundle
from seriatim_errors import BundleError, DataError
from serving.bundle import Bundle, TrainingDataSummary, bundle_versions, open_bundle
from serving.bundle.manifest import MANIFEST_FILE, Manifest


class PushedBundles:
    """What a pipeline has pushed.

    A bundle in the store is one whose manifest is there: it is written last, so that nobody finds half of a bundle.

    Args:
        config: of the pipeline.
        say: is told what is fetched and sent.

    Raises:
        DataError: `bundle_root` is remote and its store cannot be read, or has no such bucket.
    """

    def __init__(self, config: PipelineConfig, say: Callable[[str], None]) -> None:
        self._folder, self._say = config.bundle_folder, say
        self._remote = config.bundle_root / config.name
        self._scratch = config.run_folder / MIRRORS / "bundle"
        self._manifests: dict[str, Manifest] = {}
        self._in_store = [] if self._remote.is_local else self._listed()

    @property
    def versions(self) -> list[str]:
        """All versions, oldest first."""
        return sorted({*bundle_versions(self._folder), *self._in_store})

    def manifest(self, version: str) -> Manifest:
        """The manifest of a version, unchecked but for its form.

        Raises:
            BundleError: it is malformed.
            DataError: it cannot be read.
        """
        if version not in self._manifests:
            path = self._folder / version / MANIFEST_FILE
            self._manifests[version] = _parsed(version, path.read_bytes() if path.exists() else self._read(version))
        return self._manifests[version]

    def fetched(self, version: str) -> Bundle:
        """A version on this machine, fetched when it is not there, and verified.

        Raises:
            BundleError: it is not sound.
            DataError: it cannot be read.
        """
        if not (self._folder / version / MANIFEST_FILE).exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            try:
                push_bundle(local_copy(self._remote / version, self._scratch, say=self._say), self._folder)
            finally:
                shutil.rmtree(self._scratch, ignore_errors=True)
        return open_bundle(self._folder / version)

    def later(self, last_day: str) -> str | None:
        """Version of a bundle whose days end after `last_day` (ISO 8601; empty: none has); None of none.

        Such a bundle must not be replaced by one that ends with that day, which its time of making would put before it.

        Raises:
            DataError: the store cannot be read.
        """
        found = self.newest(lambda manifest: is_later(manifest.training_data, last_day)) if last_day else None
        return None if found is None else found.version

    def newest(self, wanted: Callable[[Manifest], bool]) -> Manifest | None:
        """The manifest of the newest version that is wanted, malformed ones passed over; None of none.

        Raises:
            DataError: the store cannot be read.
        """
        for version in reversed(self.versions):
            try:
                manifest = self.manifest(version)
            except BundleError:
                continue
            if wanted(manifest):
                return manifest
        return None

    def send(self, version: str) -> None:
        """Have a version of this machine in the store too; nothing happens where there is none, or it is there.

        Raises:
            BundleError: another bundle of that version is there.
            DataError: it cannot be written.
        """
        if self._remote.is_local:
            return
        folder, place = self._folder / version, self._remote / version
        if version in self._in_store:
            if self._read(version) != (folder / MANIFEST_FILE).read_bytes():
                raise BundleError(f"{place} holds another bundle of that version; bundles are never overwritten")
            return
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if path.is_file() and name != MANIFEST_FILE:
                with path.open("rb") as content, plainly_told(place), self._object(version, name) as sent:
                    shutil.copyfileobj(content, sent)
        # At once, for a stream that is broken off leaves what came before.
        manifest = (folder / MANIFEST_FILE).read_bytes()
        with plainly_told(place), self._object(version, MANIFEST_FILE) as sent:
            sent.write(manifest)
        self._in_store.append(version)
        self._say(f"bundle {version} is in {self._remote}")

    def _object(self, version: str, name: str) -> pa.NativeFile:
        return self._store.open_output_stream(f"{self._key}/{version}/{name}")

    @cached_property
    def _store(self) -> fs.FileSystem:
        return store_of(self._remote)

    @property
    def _key(self) -> str:
        return f"{self._remote.bucket}/{self._remote.key}"

    def _listed(self) -> list[str]:
        with plainly_told(self._remote):
            if self._store.get_file_info(self._remote.bucket).type == fs.FileType.NotFound:
                raise DataError(f"bundle_root {self._remote}: {no_bucket(self._remote)}")
            # Not all stores have folders: what they list for certain are objects.
            listed = self._store.get_file_info(fs.FileSelector(self._key, allow_not_found=True, recursive=True))
        paths = [PurePosixPath(one.path[len(self._key) + 1 :]) for one in listed if one.size]
        # A manifest that was broken off before it was written is empty, and so not among them.
        return [path.parts[0] for path in paths if path.parts[1:] == (MANIFEST_FILE,)]

    def _read(self, version: str) -> bytes:
        place = self._remote / version / MANIFEST_FILE
        with plainly_told(place), self._store.open_input_stream(f"{self._key}/{version}/{MANIFEST_FILE}") as stream:
            content: bytes = stream.read()
        return content


def is_later(trained: TrainingDataSummary, last_day: str) -> bool:
    """Whether a bundle's days end after `last_day` (ISO 8601; empty where the log has no days)."""
    return bool(last_day) and trained.last_day is not None and trained.last_day > last_day


def _parsed(version: str, content: bytes) -> Manifest:
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        raise BundleError(f"the manifest of bundle {version} is malformed: {error}") from None
