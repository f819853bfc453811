"""The protocol: generated code is that of the file, numbers stay, every part is explained."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

from serving.proto.seriatim.v1 import ranking_pb2

ROOT = Path(__file__).parents[2]
PROTO = "serving/proto/seriatim/v1/ranking.proto"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """The file's descriptor, freshly compiled, with its comments."""
    output = tmp_path_factory.mktemp("proto") / "ranking.binpb"
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I.", f"--descriptor_set_out={output}"]
    subprocess.run([*command, "--include_source_info", PROTO], cwd=ROOT, check=True)
    return descriptor_pb2.FileDescriptorSet.FromString(output.read_bytes()).file[0]


def test_the_generated_code_is_that_of_the_file(compiled):
    generated = descriptor_pb2.FileDescriptorProto.FromString(ranking_pb2.DESCRIPTOR.serialized_pb)
    fresh = descriptor_pb2.FileDescriptorProto()
    fresh.CopyFrom(compiled)
    fresh.ClearField("source_code_info")
    for message in fresh.message_type:
        for field in message.field:
            # Only the descriptor set spells out the JSON names, which follow from the others.
            field.ClearField("json_name")
    assert generated == fresh


def test_field_numbers_never_change():
    numbers = {
        message.name: {field.name: field.number for field in message.fields}
        for message in ranking_pb2.DESCRIPTOR.message_types_by_name.values()
    }
    assert numbers == {
        "RankSlateRequest": {
            "request_id": 1, "item_ids": 2, "context": 3, "features": 4, "slate_size": 5, "exploration": 6,
        },
        "FeatureVector": {"names": 1, "values": 2},
        "FeatureMatrix": {"names": 1, "values": 2},
        "Exploration": {"temperature": 1},
        "RankSlateResponse": {"request_id": 1, "items": 2, "propensity": 3, "bundle_version": 4},
        "PlacedItem": {"item_id": 1, "base_score": 2, "gate_score": 3, "passed_gate": 4, "probability": 5, "labels": 6},
        "ItemLabel": {"name": 1, "value": 2},
    }  # fmt: skip


def test_every_message_field_and_call_is_explained(compiled):
    explained = {tuple(entry.path) for entry in compiled.source_code_info.location if entry.leading_comments.strip()}
    parts = {(6, index): service.name for index, service in enumerate(compiled.service)}
    for index, service in enumerate(compiled.service):
        parts |= {(6, index, 2, call): method.name for call, method in enumerate(service.method)}
    for index, message in enumerate(compiled.message_type):
        parts[4, index] = message.name
        parts |= {(4, index, 2, place): f"{message.name}.{field.name}" for place, field in enumerate(message.field)}
    assert [name for path, name in parts.items() if path not in explained] == []


def test_names_follow_the_conventions_of_a_versioned_package(compiled):
    assert compiled.package == "seriatim.v1"
    assert PROTO.endswith(compiled.package.replace(".", "/") + "/ranking.proto")
    for service in compiled.service:
        assert service.name.endswith("Service")
        for method in service.method:
            assert method.input_type == f".{compiled.package}.{method.name}Request"
            assert method.output_type == f".{compiled.package}.{method.name}Response"
    for message in compiled.message_type:
        assert re.fullmatch(r"([A-Z][a-z]+)+", message.name)
        for field in message.field:
            assert re.fullmatch(r"[a-z]+(_[a-z]+)*", field.name)
