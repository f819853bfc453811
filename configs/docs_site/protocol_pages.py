"""The reference of the gRPC interface: services, messages and fields with their comments, from the proto files."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet

from configs.docs_site.tables import code, table

PROTOCOL = "serving/proto/seriatim/v1"
TITLE = (
    "# gRPC interface\n\nGenerated from `{folder}/*.proto`. How to call it: [serving](../serving.md) and, from Python, "
)
TITLE += "the [client](../client.md). A field marked optional tells absent from zero.\n"
# Numbers of fields in descriptor.proto, of which the paths to comments are made.
MESSAGES, ENUMS, SERVICES = 4, 5, 6
FIELDS, METHODS, VALUES = 2, 2, 2


def protocol_page(root: Path) -> str:
    """The page, in Markdown: services first, then messages and enumerations, as the files hold them.

    Raises:
        ValueError: a service, method, message, field, choice or value has no comment.
    """
    files = [_Commented(file) for file in _described(root)]
    parts = [TITLE.format(folder=PROTOCOL)]
    for file in files:
        parts += file.services()
    for file in files:
        parts += file.messages()
        parts += file.enumerations()
    return "\n".join(parts)


def _described(root: Path) -> list[FileDescriptorProto]:
    """The package's files as protoc describes them, comments kept."""
    import grpc_tools
    from google import protobuf
    from grpc_tools import protoc

    names = sorted(path.relative_to(root).as_posix() for path in (root / PROTOCOL).glob("*.proto"))
    site_packages = Path(protobuf.__path__[0]).parents[1]
    includes = [root, site_packages, Path(grpc_tools.__path__[0]) / "_proto"]
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "described"
        arguments = [f"--descriptor_set_out={found}", "--include_source_info", *names]
        if protoc.main(["protoc", *(f"-I{include}" for include in includes), *arguments]) != 0:
            raise ValueError(f"protoc cannot read {', '.join(names)}")
        return list(FileDescriptorSet.FromString(found.read_bytes()).file)


class _Commented:
    """One proto file, whose parts are found with their comments."""

    def __init__(self, file: FileDescriptorProto) -> None:
        self.file = file
        self.comments = {tuple(at.path): at.leading_comments.strip() for at in file.source_code_info.location}

    def services(self) -> list[str]:
        """A section a service, with one a method."""
        found = []
        for place, service in enumerate(self.file.service):
            found.append(self._section(2, service.name, (SERVICES, place)))
            for number, method in enumerate(service.method):
                asked, answered = map(self._type, (method.input_type, method.output_type))
                found.append(self._section(3, f"{service.name}.{method.name}", (SERVICES, place, METHODS, number)))
                found.append(f"{asked} → {answered}\n")
        return found

    def messages(self) -> list[str]:
        """A section a message, with a table of its fields."""
        found = []
        for place, message in enumerate(self.file.message_type):
            path = (MESSAGES, place)
            found.append(self._section(2, message.name, path))
            rows = [self._field(message, (*path, FIELDS, n), field) for n, field in enumerate(message.field)]
            if rows:
                found.append(table(("field", "number", "type", "meaning"), rows) + "\n")
        return found

    def enumerations(self) -> list[str]:
        """A section an enumeration, with a table of its values."""
        found = []
        for place, kind in enumerate(self.file.enum_type):
            path = (ENUMS, place)
            rows = [
                (code(value.name), str(value.number), self._line((*path, VALUES, number), value.name))
                for number, value in enumerate(kind.value)
            ]
            found += [self._section(2, kind.name, path), table(("value", "number", "meaning"), rows) + "\n"]
        return found

    def _section(self, level: int, name: str, path: Sequence[int]) -> str:
        anchor = f"{self.file.package}.{name}"
        lines = [line.removeprefix(" ") for line in self._comment(path, name).splitlines()]
        return f"{'#' * level} {name} {{#{anchor}}}\n\n" + "\n".join(lines) + "\n"

    def _field(self, message: DescriptorProto, path: Sequence[int], field: FieldDescriptorProto) -> tuple[str, ...]:
        entry = next(
            (one for one in message.nested_type if field.type_name.endswith(f".{message.name}.{one.name}")), None
        )
        if entry is not None and entry.options.map_entry:
            words = f"map of {' to '.join(map(self._field_type, entry.field))}"
        else:
            repeated = field.label == FieldDescriptorProto.LABEL_REPEATED
            words = f"{'list of ' if repeated else ''}{self._field_type(field)}"
        if field.proto3_optional:
            words = f"optional {words}"
        elif field.HasField("oneof_index"):
            words += f", one of `{message.oneof_decl[field.oneof_index].name}`"
        return code(field.name), str(field.number), words, self._line(path, f"{message.name}.{field.name}")

    def _field_type(self, field: FieldDescriptorProto) -> str:
        if field.type_name:
            return self._type(field.type_name)
        return FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()

    def _type(self, name: str) -> str:
        """A type by its name, with a link where it is one of ours."""
        full = name.removeprefix(".")
        own = full.removeprefix(f"{self.file.package}.")
        return code(full) if own == full else f"[{code(own)}](#{full})"

    def _line(self, path: Sequence[int], name: str) -> str:
        return " ".join(self._comment(path, name).split())

    def _comment(self, path: Sequence[int], name: str) -> str:
        comment = self.comments.get(tuple(path), "")
        if not comment:
            raise ValueError(f"{self.file.name}: {name} has no comment; write what it is above it")
        return comment
