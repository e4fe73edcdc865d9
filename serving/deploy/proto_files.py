"""The .proto files of TensorFlow Serving's API, for languages that have no package of it.

    python -m serving.deploy.proto_files FOLDER

The pip packages hold generated Python and no .proto files; what that Python was generated from is inside it, and is
written out again here: names, numbers, types and options as they were, without the comments.
"""

import contextlib
import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from google.protobuf import descriptor_pb2, descriptor_pool

import serving.protos  # noqa: F401 - brings the messages in without running TensorFlow

_SERVICES = ("prediction_service", "model_service")
_Field = descriptor_pb2.FieldDescriptorProto
_LABELS = {_Field.LABEL_OPTIONAL: "optional ", _Field.LABEL_REQUIRED: "required ", _Field.LABEL_REPEATED: "repeated "}
# Code of these comes with every protobuf library, and must not be generated once more.
_WELL_KNOWN = "google/protobuf/"


def api_files() -> list[descriptor_pb2.FileDescriptorProto]:
    """The files of both services and all that they import, each after its own imports."""
    files = {}

    def add(file):
        if file.name not in files:
            for imported in file.dependencies:
                add(imported)
            files[file.name] = descriptor_pb2.FileDescriptorProto.FromString(file.serialized_pb)

    for name in _SERVICES:
        # Of some releases newer protobufs refuse a line that comes after all has been declared.
        with contextlib.suppress(AttributeError):
            importlib.import_module(f"tensorflow_serving.apis.{name}_pb2")
        add(descriptor_pool.Default().FindFileByName(f"tensorflow_serving/apis/{name}.proto"))
    return list(files.values())


def write_api(folder: Path) -> list[str]:
    """Writes the .proto files below a folder; gives the names of those to generate code of. Raises OSError."""
    files = api_files()
    for file in files:
        path = folder / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source_of(file), encoding="utf-8")
    return [file.name for file in files if not file.name.startswith(_WELL_KNOWN)]


def source_of(file: descriptor_pb2.FileDescriptorProto) -> str:
    """A file as protobuf's language says it."""
    syntax = file.syntax or "proto2"
    lines = [f'syntax = "{syntax}";', "", f"package {file.package};", ""]
    for index, name in enumerate(file.dependency):
        lines.append(f'import {"public " if index in file.public_dependency else ""}"{name}";')
    lines += [f"option {option};" for option in _options(file.options)]
    for enum in file.enum_type:
        lines += ["", *_enum(enum)]
    for message in file.message_type:
        lines += ["", *_message(message, syntax)]
    for service in file.service:
        calls = (f"rpc {call.name}({call.input_type}) returns ({call.output_type});" for call in service.method)
        lines += ["", *_block(f"service {service.name}", calls)]
    return "\n".join(lines) + "\n"


def _message(message, syntax: str) -> list[str]:
    entries = {entry.name: entry for entry in message.nested_type if entry.options.map_entry}

    def body() -> Iterator[str]:
        for enum in message.enum_type:
            yield from _enum(enum)
        for nested in message.nested_type:
            if nested.name not in entries:
                yield from _message(nested, syntax)
        groups: dict[int, list[str]] = {}
        for field in message.field:
            # `optional` of proto3 is a group of one, which is not written.
            if field.HasField("oneof_index") and not field.proto3_optional:
                groups.setdefault(field.oneof_index, []).append(_field(field, entries, label=""))
            else:
                yield _field(field, entries, _label(field, syntax))
        for index, fields in groups.items():
            yield from _block(f"oneof {message.oneof_decl[index].name}", fields)
        for reserved in message.reserved_range:
            yield f"reserved {reserved.start} to {reserved.end - 1};"
        for name in message.reserved_name:
            yield f'reserved "{name}";'

    return _block(f"message {message.name}", body())


def _label(field, syntax: str) -> str:
    plain = syntax == "proto3" and field.label == _Field.LABEL_OPTIONAL and not field.proto3_optional
    return "" if plain else _LABELS[field.label]


def _field(field, entries, label: str) -> str:
    kind = _kind(field)
    entry = entries.get(field.type_name.rpartition(".")[2]) if field.type == _Field.TYPE_MESSAGE else None
    if entry is not None:
        key, value = entry.field
        label, kind = "", f"map<{_kind(key)}, {_kind(value)}>"
    options = ", ".join(_options(field.options))
    return f"{label}{kind} {field.name} = {field.number}{f' [{options}]' if options else ''};"


def _kind(field) -> str:
    return field.type_name or _Field.Type.Name(field.type).removeprefix("TYPE_").lower()


def _enum(enum) -> list[str]:
    lines = [f"option {option};" for option in _options(enum.options)]
    for value in enum.value:
        options = ", ".join(_options(value.options))
        lines.append(f"{value.name} = {value.number}{f' [{options}]' if options else ''};")
    # Of an enum both ends are inside.
    lines += [f"reserved {reserved.start} to {reserved.end};" for reserved in enum.reserved_range]
    lines += [f'reserved "{name}";' for name in enum.reserved_name]
    return _block(f"enum {enum.name}", lines)


def _options(options) -> list[str]:
    return [f"{option.name} = {_value(option, value)}" for option, value in options.ListFields()]


def _value(option, value) -> str:
    return json.dumps(value) if option.enum_type is None else option.enum_type.values_by_number[value].name


def _block(head: str, body) -> list[str]:
    return [f"{head} {{", *(f"  {line}" for line in body), "}"]


def main(arguments: list[str]) -> int:
    """Writes the files below the folder that the one argument names, and says which ones to generate code of."""
    if len(arguments) != 1:
        print("proto_files: expected one argument, the folder to write to", file=sys.stderr)
        return 2
    try:
        names = write_api(Path(arguments[0]))
    except OSError as error:
        print(f"proto_files: {error.filename} cannot be written ({error.strerror})", file=sys.stderr)
        return 2
    print("\n".join(names))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
