"""The message classes of TensorFlow Serving's API, without running TensorFlow.

The generated modules of the pip package `tensorflow-serving-api` import `tensorflow.core....._pb2`, and a plain import
of those executes all of TensorFlow first: about 20 s and 560 MB for a client that only sends text. The generated
modules themselves need nothing but protobuf, so they are imported behind empty stand-ins for the packages above them.
The stand-ins are removed again: a later `import tensorflow` runs the real packages and finds the same message classes.
"""

import importlib
import importlib.util
import sys
import threading
import types
from pathlib import Path

_API = (
    "classification",
    "get_model_metadata",
    "get_model_status",
    "inference",
    "input",
    "model",
    "model_management",
    "predict",
    "prediction_log",
    "regression",
    "status",
)
_MODULES = {f"{name}_pb2": f"tensorflow_serving.apis.{name}_pb2" for name in _API} | {
    "config_pb2": "tensorflow.core.protobuf.config_pb2",
    "example_pb2": "tensorflow.core.example.example_pb2",
    "feature_pb2": "tensorflow.core.example.feature_pb2",
    "meta_graph_pb2": "tensorflow.core.protobuf.meta_graph_pb2",
    "model_server_config_pb2": "tensorflow_serving.config.model_server_config_pb2",
    "tensor_pb2": "tensorflow.core.framework.tensor_pb2",
    "types_pb2": "tensorflow.core.framework.types_pb2",
}
# Every package on the way to a generated module that the ones above import, directly or not.
_STAND_INS = (
    "tensorflow",
    "tensorflow.compiler",
    "tensorflow.compiler.xla",
    "tensorflow.compiler.xla.tsl",
    "tensorflow.compiler.xla.tsl.protobuf",
    "tensorflow.core",
    "tensorflow.core.example",
    "tensorflow.core.framework",
    "tensorflow.core.protobuf",
    "tensorflow.tsl",
    "tensorflow.tsl.protobuf",
)
_lock = threading.RLock()


def _load() -> dict[str, types.ModuleType]:
    with _lock:
        if "tensorflow" in sys.modules:
            return _import_all()
        stand_ins = _install_stand_ins()
        try:
            return _import_all()
        except (ImportError, TypeError):
            # A layout of the packages that is not known here: slower, but right. (TypeError: protobuf's answer when
            # one file's descriptors meet another version of themselves.)
            _remove(stand_ins)
            return _import_all()
        finally:
            _remove(stand_ins)


def _import_all() -> dict[str, types.ModuleType]:
    return {name: importlib.import_module(path) for name, path in _MODULES.items()}


def _install_stand_ins() -> dict[str, types.ModuleType]:
    spec = importlib.util.find_spec("tensorflow")  # looks for the files; runs nothing
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(
            "serving needs the files of the packages tensorflow and tensorflow-serving-api (TensorFlow is not run): "
            "pip install 'bert-keras[serving]'"
        )
    root = Path(list(spec.submodule_search_locations)[0])
    stand_ins = {}
    for name in _STAND_INS:
        folder = root.joinpath(*name.split(".")[1:])
        if name in sys.modules or not folder.is_dir():
            continue
        module = types.ModuleType(name)
        module.__path__ = [str(folder)]
        stand_ins[name] = sys.modules[name] = module
    return stand_ins


def _remove(stand_ins: dict[str, types.ModuleType]) -> None:
    for name, module in stand_ins.items():
        if sys.modules.get(name) is module:
            del sys.modules[name]


_loaded = _load()
globals().update(_loaded)

__all__ = sorted(_loaded)
