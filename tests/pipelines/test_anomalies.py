"""What ExampleValidator found, in words."""

from tensorflow_metadata.proto.v0 import anomalies_pb2

from pipelines.anomalies import read_anomalies


def test_every_anomaly_is_named_with_its_split_and_column(tmp_path):
    found = anomalies_pb2.Anomalies()
    found.anomaly_info["item_price"].short_description = "Column dropped"
    found.anomaly_info["clicked"].description = "Expected integers"
    for split, content in (("train", anomalies_pb2.Anomalies()), ("eval", found)):
        (tmp_path / f"Split-{split}").mkdir()
        (tmp_path / f"Split-{split}" / "SchemaDiff.pb").write_bytes(content.SerializeToString())
    assert read_anomalies(tmp_path) == [
        "eval: clicked: Expected integers",
        "eval: item_price: Column dropped",
    ]
