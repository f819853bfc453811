"""Mirror a remote location to this machine, so that everything after it reads local files and can be resumed."""

from __future__ import annotations

import glob
import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path, PurePosixPath

from pyarrow import fs

from pipelines.locations.location import Location
from pipelines.locations.name_patterns import wanted_names
from pipelines.locations.stores import no_bucket, plainly_told, store_of
from seriatim_errors import DataError

BLOCK_BYTES, AT_ONCE, SECONDS_BETWEEN_NEWS = 1 << 22, 8, 10.0
# In a path, what stands in braces is filled in by who reads the copy.
BRACES = re.compile(r"\{[^}]*\}")


def local_copy(
    location: Location,
    root: Path,
    patterns: Sequence[str] = (),
    beside: Sequence[str] = (),
    say: Callable[[str], None] = lambda message: None,
) -> Path:
    """The location itself where it is local, and otherwise a mirror of it that is brought up to date.

    Objects whose size and time of change are those of their copy are not fetched again. Each is written under a
    temporary name and renamed. What else lies in `root` is removed: what the store no longer has, or nobody asks for.

    Args:
        location: an object, or everything under a key. `{...}` in its path stands for any part of one name.
        root: folder of this mirror alone; the copy lies at `root/scheme/bucket/key`.
        patterns: of what to mirror under a key, as `Path.glob` takes them; none: all.
        beside: patterns of names that are mirrored too where an object beside them is.
        say: is told how it goes.

    Raises:
        DataError: there is no such bucket or object, access is denied, the store cannot be reached, an object's name
            has no place on a file system, or it changed while it was read.
    """
    if location.is_local:
        return location.local
    store = store_of(location)
    parts = PurePosixPath(location.key).parts
    fixed = next((place for place, part in enumerate(parts) if BRACES.search(part)), len(parts))
    if fixed < len(parts):
        varied = BRACES.sub("*", "/".join(parts[fixed:]))
        patterns = [f"{varied}/{pattern}" for pattern in patterns] or [varied]
    objects = _listed(location, store, "/".join((location.bucket, *parts[:fixed])), patterns, beside)
    _require_file_names(location, objects)
    folder = root / location.scheme
    _remove_others(root, {folder / name for name in objects})
    changed = {name: one for name, one in objects.items() if not _is_copy(folder / name, one)}
    _fetch(location, store, changed, folder, len(objects), say)
    return folder.joinpath(location.bucket, *parts)


def _listed(
    location: Location, store: fs.FileSystem, base: str, patterns: Sequence[str], beside: Sequence[str]
) -> dict[str, fs.FileInfo]:
    """What is to be mirrored, by bucket and key."""
    with plainly_told(location):
        found = store.get_file_info(base)
        if found.type == fs.FileType.NotFound and store.get_file_info(location.bucket).type == fs.FileType.NotFound:
            raise DataError(f"{location}: {no_bucket(location)}")
        if found.type == fs.FileType.NotFound:
            raise DataError(f"{location} does not exist; correct the key")
        if found.type == fs.FileType.File:
            if not beside:
                return {base: found}
            base, _, name = base.rpartition("/")
            patterns = [glob.escape(name)]
            listed = store.get_file_info(fs.FileSelector(base))
        else:
            listed = store.get_file_info(fs.FileSelector(base, recursive=True))
    objects = {one.path: one for one in listed if one.type == fs.FileType.File}
    names = {path[len(base) + 1 :]: path for path in objects}
    wanted = wanted_names(names, patterns, beside) if patterns else set(names)
    if not wanted:
        raise DataError(f"{location}: no object matches {', '.join(patterns) or 'it'}; correct the key or the patterns")
    return {names[name]: objects[names[name]] for name in sorted(wanted)}


def fetch_object(location: Location, store: fs.FileSystem, found: fs.FileInfo, target: Path) -> None:
    """Copy an object to `target`, which gets its time of change; nobody sees half of it.

    Raises:
        DataError: it cannot be read or written, or is not of the size that it was found with.
    """
    partial = target.with_name(f".{hashlib.sha256(target.name.encode()).hexdigest()[:16]}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as copy, plainly_told(location), store.open_input_stream(found.path) as source:
            shutil.copyfileobj(source, copy, BLOCK_BYTES)
    except OSError as error:
        raise DataError(f"{location} cannot be mirrored to {target}: {error.strerror}; make room or rename") from None
    if partial.stat().st_size != found.size:
        partial.unlink()
        raise DataError(f"{location}: {found.path} changed while it was read; run again when it is whole")
    os.utime(partial, ns=(found.mtime_ns, found.mtime_ns))
    partial.replace(target)


def _fetch(
    location: Location,
    store: fs.FileSystem,
    changed: Mapping[str, fs.FileInfo],
    folder: Path,
    objects: int,
    say: Callable[[str], None],
) -> None:
    size = sum(one.size for one in changed.values())
    say(f"{location}: {objects} objects, of which {len(changed)} are new or changed ({size / 1e6:.1f} MB)")
    told, done, fetched = time.monotonic(), 0, 0
    with ThreadPoolExecutor(AT_ONCE) as workers:
        copies = {
            workers.submit(fetch_object, location, store, one, folder / name): one for name, one in changed.items()
        }
        try:
            for copy in as_completed(copies):
                copy.result()
                done, fetched = done + 1, fetched + copies[copy].size
                if time.monotonic() - told > SECONDS_BETWEEN_NEWS:
                    told = time.monotonic()
                    say(f"{location}: {done} of {len(changed)} fetched ({fetched / max(size, 1):.0%})")
        except BaseException:
            workers.shutdown(cancel_futures=True)
            raise


def _is_copy(path: Path, found: fs.FileInfo) -> bool:
    try:
        status = path.stat()
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (found.size, found.mtime_ns)


def _require_file_names(location: Location, objects: Mapping[str, fs.FileInfo]) -> None:
    for name in objects:
        parts = name.split("/")
        if any(part in ("", ".", "..") for part in parts):
            raise DataError(f"{location}: {name!r} in the store is no path of a file; rename that object")
        above = ["/".join(parts[:length]) for length in range(1, len(parts))]
        if both := next((one for one in above if one in objects), None):
            raise DataError(f"{location}: {both!r} in the store is an object and has others below; rename one of them")


def _remove_others(root: Path, wanted: set[Path]) -> None:
    """Remove the files in a mirror that are not wanted, and the folders that this leaves empty."""
    for path in sorted(root.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path not in wanted:
            path.unlink()
