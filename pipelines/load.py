"""From a YAML file to a `PipelineConfig`, with one sentence about what is wrong."""

import os
from pathlib import Path
from typing import Any

import pydantic
import yaml

from bert_keras.errors import BadInput, nearest, where
from pipelines.config import PipelineConfig, Section, resolve_paths


def load_config(path: str | os.PathLike) -> PipelineConfig:
    """Reads and validates a config; its relative paths are relative to the file.

    Raises:
        BadInput: the file cannot be read, a key is unknown or given twice, a value does not fit, or a file that it
            names is not there. The message names the file, the key and what was expected.
    """
    path = Path(path)
    config = parse_config(_read_yaml(path), source=str(path), folder=path.absolute().parent)
    _check_files(config, str(path))
    return config


def parse_config(values: Any, source: str, folder: Path) -> PipelineConfig:
    """Validates the values of a config. Raises `BadInput`."""
    if not isinstance(values, dict):
        raise BadInput(f"{source}: the config is {_kind(values)}; expected keys and values such as `name: reviews`")
    try:
        config = PipelineConfig.model_validate(values)
    except pydantic.ValidationError as error:
        raise BadInput(_in_words(error.errors(), source)) from error
    config = resolve_paths(config, folder)
    beside = folder / Path(config.model.preset).expanduser()
    if beside.exists() and _looks_like_path(config.model.preset, beside):
        preset = os.path.normpath(beside)
        config = config.model_copy(update={"model": config.model.model_copy(update={"preset": preset})})
    return config


def _looks_like_path(preset: str, beside: Path) -> bool:
    # A folder that happens to be called like a preset does not shadow it unless it holds one.
    return os.sep in preset or preset.startswith((".", "~")) or (beside / "config.json").exists()


def _check_files(config: PipelineConfig, source: str):
    files = {("data", key): path for key, path in config.data.files.items()}
    if config.model.vocabulary:
        files["model", "vocabulary"] = config.model.vocabulary
    for keys, path in files.items():
        # Whether data may be a folder is the task's to say; see `prepare`.
        if not (path.exists() if keys[0] == "data" else path.is_file()):
            raise missing(where(source, field=".".join(keys)), path)
    if config.data.train and config.data.train == config.data.eval:
        raise BadInput(f"{where(source, field='data.eval')}: it is the file of `data.train`; expected other examples")


def missing(place: str, path: Path) -> BadInput:
    """What to raise where a file that the config names is none."""
    problem = "is a folder" if path.is_dir() else "does not exist"
    return BadInput(f"{place}: {path} {problem}; expected a file (a relative path starts at the config's folder)")


class _Loader(yaml.SafeLoader):
    """YAML that refuses a key given twice, where PyYAML silently takes the last."""

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, str) and key in seen:
                problem = f"the key {key!r} is given twice; expected it once"
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            seen.add(str(key))
        return super().construct_mapping(node, deep)


def _read_yaml(path: Path) -> Any:
    try:
        text = path.read_bytes().decode("utf-8-sig")
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}); expected a YAML file") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: it is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    except yaml.MarkedYAMLError as error:
        row = error.problem_mark.line + 1 if error.problem_mark else None
        raise BadInput(f"{where(path, row)}: {error.problem or 'no YAML'}; expected YAML") from error
    except yaml.YAMLError as error:
        raise BadInput(f"{path}: {' '.join(str(error).split())}; expected YAML") from error


def _in_words(errors: list[dict], source: str) -> str:
    # An unknown key often is why a needed one seems to be missing: it comes first.
    error = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    keys = [str(part) for part in error["loc"]]
    if _is_union(error):
        keys = keys[:-1]
    if error["type"] == "extra_forbidden":
        known = list(_section_at(keys[:-1]).model_fields)
        inside = f" of `{'.'.join(keys[:-1])}`" if keys[:-1] else ""
        return (
            f"{source}: there is no key {'.'.join(keys)!r}{nearest(keys[-1], known)}; "
            f"expected the keys{inside} to be among {', '.join(known)}"
        )
    place = where(source, field=".".join(keys)) if keys else source
    if error["type"] == "missing":
        return f"{place}: the key is missing; expected {_help(keys).partition(';')[0]}"
    if error["type"] == "value_error":
        return f"{place}: {error['ctx']['error']}"
    if error["type"] in ("model_type", "dict_type"):
        return f"{place}: it is {_kind(error['input'])}; expected keys and values below it"
    return f"{place}: it is {_shown(error['input'])}; expected {_expected(error, keys)}"


def _is_union(error: dict) -> bool:
    # pydantic adds which of several types it tried last.
    return len(error["loc"]) > 1 and error["loc"][-1] in ("str", "int", "float", "bool")


def _section_at(keys: list[str]) -> type[Section]:
    section = PipelineConfig
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


def _help(keys: list[str]) -> str:
    field = _section_at(keys[:-1]).model_fields.get(keys[-1])
    annotation = field.annotation if field else None
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return f"the section {keys[-1]!r} ({(annotation.__doc__ or '').strip().rstrip('.')})"
    description = " ".join((field.description or "").split()) if field else ""
    return description.rstrip(".") or "a value"


def _expected(error: dict, keys: list[str]) -> str:
    if error["type"] in _EXPECTED:
        return _EXPECTED[error["type"]]
    if error["type"] == "string_pattern_mismatch":
        return _help(keys).partition("; ")[2]
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
}


def _kind(value: Any) -> str:
    if value is None:
        return "empty"
    names = {str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "a section"}
    return names.get(type(value), type(value).__name__)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:39] + "…"
