"""Reading Mulan's multi-label sets."""

import gzip

import numpy as np
import pytest
from scipy.sparse import csr_array

from seriatim_errors import DataError
from structured.mulan import read_mulan

XML = '<labels xmlns="http://mulan.sourceforge.net/labels"><label name="b"/><label name="a"/></labels>'
DENSE = """@relation small
@attribute size numeric
@attribute 'colour' {red,green}
@attribute a {0,1}
@attribute b {1,0}
@data
1.5,green,1,0
-2,red,0,1
"""
SPARSE = """@relation small
@attribute x numeric
@attribute y numeric
@attribute a {0,1}
@attribute b {0,1}
@data
{0 2.5, 2 1}
{}
{1 1, 3 1}
"""


def written(folder, text, xml=XML):
    (folder / "small.xml").write_text(xml)
    (folder / "small.arff").write_text(text)
    return folder / "small.arff", folder / "small.xml"


def test_dense_files_are_read_with_labels_in_the_order_of_the_list(tmp_path):
    found = read_mulan(*written(tmp_path, DENSE))
    assert found.label_names == ("b", "a")
    assert found.feature_names == ("size", "colour")
    assert found.features.tolist() == [[1.5, 1.0], [-2.0, 0.0]]
    assert found.labels.tolist() == [[0, 1], [1, 0]]


def test_sparse_and_gzipped_files_stay_sparse(tmp_path):
    path, xml = written(tmp_path, SPARSE)
    zipped = tmp_path / "small.arff.gz"
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    for one in (path, zipped):
        found = read_mulan(one, xml)
        assert isinstance(found.features, csr_array)
        assert found.features.toarray().tolist() == [[2.5, 0.0], [0.0, 0.0], [0.0, 1.0]]
        assert found.labels.tolist() == [[0, 1], [0, 0], [1, 0]]


@pytest.mark.parametrize(
    ("text", "xml", "message"),
    [
        (DENSE, XML.replace('"a"', '"c"'), "no attribute 'c'"),
        (DENSE, "<labels>", "small.xml"),
        ("no data", XML, "no ARFF file"),
        (DENSE.replace("{0,1}", "{0,2}").replace("green,1", "green,2"), XML, "a label is 2"),
    ],
)
def test_mistakes_are_named(text, xml, message, tmp_path):
    with pytest.raises(DataError, match=message):
        read_mulan(*written(tmp_path, text, xml))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nothing\.arff"):
        read_mulan(tmp_path / "nothing.arff", tmp_path / "small.xml")


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "rows", "features", "labels"),
    [
        ("scene", 1211, 294, 6),
        ("emotions", 391, 72, 6),
        ("medical", 333, 1449, 45),
        ("enron", 1123, 1001, 53),
        ("flags", 129, 19, 7),
    ],
)
def test_the_published_sets_have_their_published_sizes(name, rows, features, labels, public_data):
    folder = public_data / "multilabel" / name
    found = read_mulan(folder / f"{name}-train.arff.gz", folder / f"{name}.xml")
    assert found.features.shape == (rows, features)
    assert found.labels.shape == (rows, labels)
    assert isinstance(found.features, csr_array) == (name in ("medical", "enron"))
    assert np.isin(found.labels, (0, 1)).all()
