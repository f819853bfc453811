"""The configurations that come along: the files of `configs/`, in a checkout and in an installed wheel alike."""

from __future__ import annotations

from pathlib import Path

from seriatim_errors import ConfigError

HERE = Path(__file__).parent
# A wheel brings the files along inside the package (pyproject.toml); in a checkout they lie beside it.
FOLDERS = (HERE / "configs", HERE.parent / "configs")


def shipped_configs() -> dict[str, Path]:
    """The shipped files by their names, such as `marketplace`."""
    folder = next((folder for folder in FOLDERS if folder.is_dir()), None)
    return {} if folder is None else {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def config_file(given: str) -> Path:
    """The configuration file that a person means: a path, or the name of a shipped one.

    Args:
        given: a path of a file; or a name without folder and suffix, where no file is called that.

    Raises:
        ConfigError: it is such a name and no configuration of that name is shipped.
    """
    path = Path(given)
    if path.is_file() or path.suffix or len(path.parts) > 1:
        return path
    shipped = shipped_configs()
    if given not in shipped:
        names = ", ".join(shipped) or "none"
        raise ConfigError(
            f"config {given}: no such file, and not the name of a shipped one ({names}); give a YAML file"
        )
    return shipped[given]
