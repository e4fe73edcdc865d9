"""Pusher of presets: a version appears whole, and what is there already is not pushed again."""

import hashlib
import os
import shutil
import time
from pathlib import Path

from tfx.components.pusher import executor as pusher
from tfx.components.pusher.component import Pusher
from tfx.dsl.components.base import executor_spec
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import proto_utils

from bert_keras.files import replaced_directory


class Executor(pusher.Executor):
    """TFX's Pusher for a folder that people load presets from.

    TFX copies file by file, which a model server waits for and `from_preset` does not, and takes a new version for a
    model that is blessed once more. No copy is kept beside: nothing reads it.
    """

    def Do(self, input_dict, output_dict, exec_properties):  # noqa: N802 - TFX's name
        self._log_startup(input_dict, output_dict, exec_properties)
        pushed = artifact_utils.get_single_instance(output_dict[standard_component_specs.PUSHED_MODEL_KEY])
        if not self.CheckBlessing(input_dict):
            self._MarkNotPushed(pushed)
            return
        destination = pusher_pb2.PushDestination()
        proto_utils.json_to_proto(exec_properties[standard_component_specs.PUSH_DESTINATION_KEY], destination)
        version = push(self.GetModelPath(input_dict), destination.filesystem.base_directory)
        self._MarkPushed(pushed, pushed_destination=version, pushed_version=os.path.basename(version))


class PresetPusher(Pusher):
    """TFX's Pusher with another executor."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)


def push(preset: str, base: str) -> str:
    """Copies a preset's directory to a version below `base`, a number that rises with the time, and gives its path.

    Where the newest version holds the same files, that is the one.
    """
    versions = sorted(int(name) for name in os.listdir(base) if name.isdigit()) if os.path.isdir(base) else []
    if versions and _digest(os.path.join(base, str(versions[-1]))) == _digest(preset):
        return os.path.join(base, str(versions[-1]))
    version = os.path.join(base, str(max([int(time.time()), *(number + 1 for number in versions)])))
    with replaced_directory(version) as new:
        shutil.copytree(preset, new, dirs_exist_ok=True)
    return version


def _digest(folder: str) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in Path(folder).rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
