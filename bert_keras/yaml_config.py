"""YAML files that people write: read strictly, validated as a whole, refused in one sentence."""

import os
from pathlib import Path
from typing import Any

import pydantic
import yaml

from bert_keras.errors import BadInput, nearest, where


class Section(pydantic.BaseModel):
    """A part of a config: unknown keys are errors, values never change. A field's docstring is its help."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def load_section(path: str | os.PathLike, section: type[Section]) -> Section:
    """Reads a YAML file as a section.

    Raises:
        BadInput: the file cannot be read, a key is unknown, missing or given twice, or a value does not fit; with the
            file, the key and what was expected.
    """
    return validate(read_yaml(path), section, str(path))


def validate(values: Any, section: type[Section], source: str) -> Section:
    """The values of a YAML file as a section. Raises `BadInput`, which names `source` and the key."""
    if not isinstance(values, dict):
        raise BadInput(f"{source}: the config is {_kind(values)}; expected keys and values such as `name: reviews`")
    try:
        return section.model_validate(values)
    except pydantic.ValidationError as error:
        raise BadInput(_in_words(error.errors(), source, section)) from error


def read_yaml(path: str | os.PathLike) -> Any:
    """What a YAML file holds. Raises `BadInput`, for a key that is given twice too."""
    try:
        return yaml.load(Path(path).read_bytes().decode("utf-8-sig"), _Loader)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}); expected a YAML file") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: it is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    except yaml.MarkedYAMLError as error:
        row = error.problem_mark.line + 1 if error.problem_mark else None
        raise BadInput(f"{where(path, row)}: {error.problem or 'no YAML'}; expected YAML") from error
    except yaml.YAMLError as error:
        raise BadInput(f"{path}: {' '.join(str(error).split())}; expected YAML") from error


class _Loader(yaml.SafeLoader):
    """PyYAML takes the last value of a key that is given twice; this refuses the second."""

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key_node, _ in node.value:
            key = str(self.construct_object(key_node, deep=True))
            if key in seen:
                problem = f"the key {key!r} is given twice; expected it once"
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def _in_words(errors: list[dict], source: str, root: type[Section]) -> str:
    # An unknown key often is why a needed one seems to be missing: it comes first.
    error = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    keys = [str(part) for part in error["loc"]]
    if _is_union(error):
        keys = keys[:-1]
    if error["type"] == "extra_forbidden":
        known = list(_section_at(root, keys[:-1]).model_fields)
        inside = f" of `{'.'.join(keys[:-1])}`" if keys[:-1] else ""
        return (
            f"{source}: there is no key {'.'.join(keys)!r}{nearest(keys[-1], known)}; "
            f"expected the keys{inside} to be among {', '.join(known)}"
        )
    place = where(source, field=".".join(keys)) if keys else source
    if error["type"] == "missing":
        return f"{place}: the key is missing; expected {_help(root, keys).partition(';')[0]}"
    if error["type"] == "value_error":
        return f"{place}: {error['ctx']['error']}"
    if error["type"] in ("model_type", "dict_type"):
        return f"{place}: it is {_kind(error['input'])}; expected keys and values below it"
    return f"{place}: it is {_shown(error['input'])}; expected {_expected(error, root, keys)}"


def _is_union(error: dict) -> bool:
    # pydantic adds which of several types it tried last.
    return len(error["loc"]) > 1 and error["loc"][-1] in ("str", "int", "float", "bool")


def _section_at(root: type[Section], keys: list[str]) -> type[Section]:
    section = root
    for key in keys:
        field = section.model_fields.get(key)
        if field is None:
            continue
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, Section):
            section = annotation
        else:
            # dict[str, Section]: the next key is a name of the user's.
            inner = [a for a in getattr(annotation, "__args__", ()) if isinstance(a, type) and issubclass(a, Section)]
            section = inner[0] if inner else section
    return section


def _help(root: type[Section], keys: list[str]) -> str:
    field = _section_at(root, keys[:-1]).model_fields.get(keys[-1])
    annotation = field.annotation if field else None
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return f"the section {keys[-1]!r} ({(annotation.__doc__ or '').strip().rstrip('.')})"
    description = " ".join((field.description or "").split()) if field else ""
    return description.rstrip(".") or "a value"


def _expected(error: dict, root: type[Section], keys: list[str]) -> str:
    if error["type"] in _EXPECTED:
        return _EXPECTED[error["type"]]
    if error["type"] == "string_pattern_mismatch":
        return _help(root, keys).partition("; ")[2]
    return error["msg"].removeprefix("Input should be ").removeprefix("a valid ")


_EXPECTED = {
    "path_type": "a path",
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "invalid_key": "keys that are text",
    "list_type": "a list",
    "too_short": "a list with something in it",
}


def _kind(value: Any) -> str:
    if value is None:
        return "empty"
    names = {str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "a section"}
    return names.get(type(value), type(value).__name__)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:39] + "…"
