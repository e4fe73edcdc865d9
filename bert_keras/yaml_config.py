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
    """Reads a YAML file as a section whose fields are plain values.

    Raises:
        BadInput: the file cannot be read, a key is unknown, missing or given twice, or a value does not fit; with the
            file, the key and what was expected.
    """
    values = read_yaml(path)
    if not isinstance(values, dict):
        raise BadInput(f"{path}: it is {_kind(values)}; expected keys and values such as `train: train.csv`")
    try:
        return section.model_validate(values)
    except pydantic.ValidationError as error:
        raise BadInput(_sentence(error.errors(), str(path), section)) from error


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


def _sentence(errors: list[dict], source: str, section: type[Section]) -> str:
    known = section.model_fields
    # An unknown key often is why a needed one seems to be missing: it comes first.
    error = next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])
    key = str(error["loc"][0]) if error["loc"] else None
    if error["type"] == "extra_forbidden":
        return f"{source}: there is no key {key!r}{nearest(key, known)}; expected some of {', '.join(known)}"
    place = where(source, field=key)
    if error["type"] == "value_error":
        return f"{place}: {error['ctx']['error']}"
    meaning = " ".join((known[key].description or "a value").split()).rstrip(".") if key in known else "a value"
    if error["type"] == "missing":
        return f"{place}: the key is missing; expected {meaning}"
    expected = error["msg"].removeprefix("Input should be ").removeprefix("a valid ")
    return f"{place}: it is {_shown(error['input'])}; expected {expected} ({meaning})"


def _kind(value: Any) -> str:
    if value is None:
        return "empty"
    return {str: "text", list: "a list"}.get(type(value), type(value).__name__)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:39] + "…"
