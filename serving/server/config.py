"""Which models to serve: ModelServerConfig in text format, checked with TensorFlow Serving's messages."""

import re
from dataclasses import dataclass, field

from serving.protos import model_server_config_pb2
from serving.server import text_files
from serving.server.flags import Flags
from serving.server.status import invalid

PLATFORM = "tensorflow"
_MODEL_TYPES = {1: "tensorflow", 2: "other"}


@dataclass(frozen=True)
class ModelSettings:
    """One model: where its versions lie, which of them to serve, and their labels."""

    name: str
    base_path: str
    latest: int | None = 1  # the newest n versions; None: see `versions`
    versions: tuple[int, ...] | None = None  # exactly these; None with latest None: all
    labels: dict[str, int] = field(default_factory=dict)
    platform: str = PLATFORM


def from_flags(flags: Flags) -> list[ModelSettings]:
    """The models that the flags name. Raises ServingError, or text_files.NotParsed."""
    if flags.model_config_file:
        models = from_file(flags.model_config_file) or []
        check_platforms(models)
        return models
    config = model_server_config_pb2.ModelServerConfig()
    config.model_config_list.config.add(name=flags.model_name, base_path=flags.model_base_path, model_platform=PLATFORM)
    return from_proto(config)


def from_file(path: str) -> list[ModelSettings] | None:
    """What the file lists; None where it holds no list at all, such as a file that is about to be written."""
    config = text_files.read(path, model_server_config_pb2.ModelServerConfig())
    return from_proto(config) if config.WhichOneof("config") else None


def from_proto(config) -> list[ModelSettings]:
    """Settings of a ModelServerConfig. Raises ServingError INVALID_ARGUMENT with TensorFlow Serving's messages.

    Whether there is such a platform is for `check_platforms`: that a served model keeps its own is looked at before.
    """
    if config.WhichOneof("config") == "custom_model_config":
        raise invalid("ModelServer does not yet support custom model config.")
    names = set()
    models = config.model_config_list.config
    for model in models:
        if model.name in names:
            raise invalid(f"Illegal to list model {model.name} multiple times in config list")
        names.add(model.name)
    for model in models:
        if not _is_absolute(model.base_path):
            raise invalid(
                f"Expected model {model.name} to have an absolute path or URI; got base_path()={model.base_path}"
            )
    return [_settings(model) for model in models]


def _settings(model) -> ModelSettings:
    policy = model.model_version_policy
    kind = policy.WhichOneof("policy_choice")
    if kind == "specific" and not policy.specific.versions:
        raise invalid(f"Model {model.name} has a specific version policy without versions")
    return ModelSettings(
        name=model.name,
        base_path=model.base_path,
        latest=None if kind in ("all", "specific") else max(policy.latest.num_versions, 1),
        versions=tuple(policy.specific.versions) if kind == "specific" else None,
        labels=dict(model.version_labels),
        platform=_platform(model),
    )


def _platform(model) -> str:
    fields = "ModelServerConfig::model_type (deprecated)", "ModelServerConfig::model_platform"
    if model.model_type and model.model_platform:
        raise invalid(f"Illegal setting both {fields[0]} and {fields[1]}.")
    platform = model.model_platform or _MODEL_TYPES.get(model.model_type, "")
    if not platform:
        raise invalid(f"Illegal setting neither {fields[0]} nor {fields[1]}.")
    return platform


def check_platforms(models: list[ModelSettings]) -> None:
    """Raises ServingError INVALID_ARGUMENT for a platform that this server does not have."""
    for model in models:
        if model.platform != PLATFORM:
            raise invalid(f"Model {model.name} requests unsupported platform {model.platform}")


def _is_absolute(path: str) -> bool:
    return path.startswith("/") or bool(re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", path))
