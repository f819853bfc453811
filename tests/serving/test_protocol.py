"""The protocol: generated code is that of the file, numbers stay, every part is explained."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2
from google.rpc import status_pb2

from serving.proto.seriatim.v1 import events_pb2, images_pb2, models_pb2, ranking_pb2

ROOT = Path(__file__).parents[2]
FOLDER = "serving/proto/seriatim/v1"
GENERATED = {"events": events_pb2, "images": images_pb2, "models": models_pb2, "ranking": ranking_pb2}
NUMBERS = json.loads((Path(__file__).parent / "protocol_numbers.json").read_text())


@pytest.fixture(scope="module", params=GENERATED)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def compiled(name, tmp_path_factory):
    """The file's descriptor, freshly compiled, with its comments."""
    output = tmp_path_factory.mktemp("proto") / f"{name}.binpb"
    includes = ["-I.", f"-I{Path(status_pb2.__file__).parents[2]}"]
    command = [sys.executable, "-m", "grpc_tools.protoc", *includes, f"--descriptor_set_out={output}"]
    subprocess.run([*command, "--include_source_info", f"{FOLDER}/{name}.proto"], cwd=ROOT, check=True)
    return descriptor_pb2.FileDescriptorSet.FromString(output.read_bytes()).file[0]


def test_every_file_is_tested():
    assert sorted(path.stem for path in (ROOT / FOLDER).glob("*.proto")) == sorted(GENERATED)


def test_the_generated_code_is_that_of_the_file(name, compiled):
    generated = descriptor_pb2.FileDescriptorProto.FromString(GENERATED[name].DESCRIPTOR.serialized_pb)
    fresh = descriptor_pb2.FileDescriptorProto()
    fresh.CopyFrom(compiled)
    fresh.ClearField("source_code_info")
    for message in fresh.message_type:
        for field in [field for nested in (message, *message.nested_type) for field in nested.field]:
            # Only the descriptor set spells out the JSON names, which follow from the others.
            field.ClearField("json_name")
    assert generated == fresh


def test_numbers_never_change(name, compiled):
    numbers = {message.name: {field.name: field.number for field in message.field} for message in compiled.message_type}
    numbers |= {enum.name: {value.name: value.number for value in enum.value} for enum in compiled.enum_type}
    assert numbers == NUMBERS[name]


def test_every_message_field_and_call_is_explained(compiled):
    explained = {tuple(entry.path) for entry in compiled.source_code_info.location if entry.leading_comments.strip()}
    parts = {(6, index): service.name for index, service in enumerate(compiled.service)}
    for index, service in enumerate(compiled.service):
        parts |= {(6, index, 2, call): method.name for call, method in enumerate(service.method)}
    for index, message in enumerate(compiled.message_type):
        parts[4, index] = message.name
        parts |= {(4, index, 2, place): f"{message.name}.{field.name}" for place, field in enumerate(message.field)}
    for index, enum in enumerate(compiled.enum_type):
        parts[5, index] = enum.name
        parts |= {(5, index, 2, place): value.name for place, value in enumerate(enum.value)}
    assert [name for path, name in parts.items() if path not in explained] == []


def test_names_follow_the_conventions_of_a_versioned_package(compiled):
    assert compiled.package == "seriatim.v1"
    assert FOLDER.endswith(compiled.package.replace(".", "/"))
    for service in compiled.service:
        assert service.name.endswith("Service")
        for method in service.method:
            assert method.input_type == f".{compiled.package}.{method.name}Request"
            assert method.output_type == f".{compiled.package}.{method.name}Response"
    for message in compiled.message_type:
        assert re.fullmatch(r"([A-Z][a-z]+)+", message.name)
        for field in message.field:
            assert re.fullmatch(r"[a-z]+(_[a-z]+)*", field.name)
