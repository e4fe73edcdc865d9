"""Pusher of presets: a version appears whole, and what is there already is not pushed again."""

import os

from tfx.components.pusher import executor as pusher
from tfx.components.pusher.component import Pusher
from tfx.dsl.components.base import executor_spec
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import proto_utils

from pipelines.pretraining.versions import push


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
