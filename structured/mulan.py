"""Multi-label data sets in the Mulan project's format: ARFF files with the labels' names in an XML file beside them."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import arff
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from seriatim_errors import DataError


@dataclass(frozen=True)
class MultiLabelSet:
    """One part of a multi-label data set.

    Attributes:
        features: float64 `[N, d]`; CSR where the file is sparse. Nominal features are the number of their value.
        labels: int64 `[N, n]` of 0 and 1.
        feature_names: `d` names.
        label_names: `n` names.
    """

    features: NDArray[np.float64] | csr_array
    labels: NDArray[np.int64]
    feature_names: tuple[str, ...]
    label_names: tuple[str, ...]


def read_mulan(path: Path, labels_xml: Path) -> MultiLabelSet:
    """Read `NAME-train.arff` or the like, also gzipped, with the labels that `NAME.xml` lists.

    Raises:
        DataError: a file cannot be read, or the attributes lack a label.
    """
    try:
        label_names = tuple(str(label.get("name")) for label in ElementTree.parse(labels_xml).getroot())
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeError, ElementTree.ParseError) as error:
        raise DataError(f"{path} with {labels_xml}: {error}; give the ARFF file and its labels' XML file") from None
    sparse = any(line.lstrip().startswith("{") for line in text.partition("@data")[2].splitlines()[:10])
    try:
        table = arff.loads(text, encode_nominal=True, return_type=arff.LOD if sparse else arff.DENSE)
    except (arff.ArffException, ValueError) as error:
        raise DataError(f"{path} is no ARFF file that can be read: {error}") from None
    names = [name for name, _ in table["attributes"]]
    missing = [label for label in label_names if label not in names]
    if missing:
        raise DataError(f"{path}: no attribute {missing[0]!r}, which {labels_xml.name} lists; give files of one set")
    matrix = _sparse(table["data"], len(names)) if sparse else np.array(table["data"], np.float64)
    of_label = np.array([names.index(label) for label in label_names])
    of_feature = np.setdiff1d(np.arange(len(names)), of_label)
    return MultiLabelSet(
        matrix[:, of_feature],
        _indicators(matrix[:, of_label], [table["attributes"][index][1] for index in of_label], path),
        tuple(names[index] for index in of_feature),
        label_names,
    )


def _indicators(places: NDArray[np.float64] | csr_array, kinds: list[list[str] | str], path: Path) -> NDArray[np.int64]:
    """Labels as 0 and 1; a nominal label comes as the place of its value in the declared list."""
    dense = places.toarray() if isinstance(places, csr_array) else places
    columns = []
    for column, kind in zip(dense.T, kinds, strict=True):
        columns.append(column if isinstance(kind, str) else np.array(kind, np.float64)[column.astype(np.int64)])
    labels = np.stack(columns, axis=1)
    if not np.isin(labels, (0, 1)).all():
        raise DataError(f"{path}: a label is {labels[~np.isin(labels, (0, 1))][0]:g}; labels are 0 or 1")
    return labels.astype(np.int64)


def _sparse(rows: list[dict[int, float]], width: int) -> csr_array:
    indices = [column for row in rows for column in row]
    values = [float(value) for row in rows for value in row.values()]
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    return csr_array((np.array(values), np.array(indices, np.int64), offsets), shape=(len(rows), width))
