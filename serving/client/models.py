"""What a server shall serve, for `reload`."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serving.protos import model_server_config_pb2


@dataclass(frozen=True)
class ServedModel:
    """One model of a server.

    Args:
        name: how clients call it.
        base_path: directory on the server's machine that holds the version directories; absolute.
        versions: these versions only; None: the newest `latest`.
        latest: how many of the newest versions.
        labels: version by label, for versions that are loaded already.
    """

    name: str
    base_path: str | os.PathLike[str]
    versions: tuple[int, ...] | None = None
    latest: int = 1
    labels: Mapping[str, int] = field(default_factory=dict)


def config_of(models: Iterable[ServedModel]) -> Any:
    """The ModelServerConfig of these models; without any, one that unloads all."""
    config = model_server_config_pb2.ModelServerConfig()
    config.model_config_list.SetInParent()
    for one in models:
        added = config.model_config_list.config.add(
            name=one.name, base_path=os.fspath(one.base_path), model_platform="tensorflow"
        )
        if one.versions is not None:
            added.model_version_policy.specific.versions.extend(one.versions)
        else:
            added.model_version_policy.latest.num_versions = one.latest
        for label, version in one.labels.items():
            added.version_labels[label] = version
    return config


def read_config(path: str | os.PathLike[str]) -> Any:
    """The ModelServerConfig in a text-format file, as a server's --model_config_file. Raises ValueError."""
    from google.protobuf import text_format

    name = os.fspath(path)
    try:
        text = Path(path).read_text("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{name}: this is no text; expected a model config file in protobuf's text format") from None
    except OSError as error:
        raise ValueError(f"{name}: cannot be read ({error.strerror or error}); expected a model config file") from None
    try:
        return text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    except text_format.ParseError as error:
        raise ValueError(
            f"{name}:{str(error).rstrip('.')}; expected a ModelServerConfig in protobuf's text format"
        ) from None
