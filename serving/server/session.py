"""SavedModels behind a TF1-style Session that is fed by tensor names, as TensorFlow Serving's C++ runs them.

Same error texts, deadlines and output pruning as there, for models of TF1 and TF2 alike, and a tenth of the cost of an
eager signature call. The public `Session.run` cannot be used: it refuses shapes that TensorFlow Serving accepts. Hence
the private names of TensorFlow, all of them in this module; `self_test` shows at start that they do what is expected.
"""

import gc
import os

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.client import pywrap_tf_session  # private: run options are passed as a buffer
from tensorflow.python.lib.io import _pywrap_record_io  # private: the public reader warns of its age at every start
from tensorflow.python.saved_model import loader_impl  # private: so does the public loader

from serving.server.memory import return_memory
from serving.server.status import Code, ServingError

_TESTED = "2.16.2 and 2.21.0"


def import_custom_ops() -> None:
    """Registers the ops of TensorFlow Text, without which a graph that tokenizes does not load."""
    try:
        import tensorflow_text  # noqa: F401
    except ImportError:
        pass  # a model that needs the ops says so when it is loaded


class ModelSession:
    """One SavedModel: its signatures, and `run` from tensor names to arrays. Safe to use from many threads."""

    def __init__(self, session: tf.compat.v1.Session, meta_graph_def):
        self._session = session
        self._graph = session.graph
        self._handles = {}
        # Copies: an entry of the map keeps the whole message alive, with all weights of a frozen graph.
        self.signatures = {
            name: type(entry).FromString(entry.SerializeToString())
            for name, entry in meta_graph_def.signature_def.items()
        }
        session._extend_graph()  # once: the graph does not grow after this

    @classmethod
    def load(cls, export_dir: str, tags=("serve",), config: tf.compat.v1.ConfigProto | None = None) -> "ModelSession":
        """Loads a SavedModel directory. Raises ServingError with the code that TensorFlow Serving gives."""
        _check_whole(export_dir)
        graph = tf.Graph()
        session = tf.compat.v1.Session(graph=graph, config=config)
        try:
            with graph.as_default():
                meta_graph_def = loader_impl.SavedModelLoader(str(export_dir)).load(session, list(tags))
            model = cls(session, meta_graph_def)
            del meta_graph_def
            return_memory()  # of a 90 MB model, loading leaves 150 MB behind
            return model
        except Exception as error:
            session.close()
            raise _load_error(error, export_dir, tags) from error

    def run(self, feeds: dict[str, np.ndarray], fetches: list[str], timeout_ms: int | None = None) -> list[np.ndarray]:
        """Computes `fetches` (tensor names) from `feeds` (arrays by tensor name; strings as objects of type bytes).

        Raises ServingError with TensorFlow's code and message; DEADLINE_EXCEEDED when `timeout_ms` has passed, as soon
        as the op that was running then has ended.
        """
        options = pywrap_tf_session.TF_NewBufferFromString(_run_options(timeout_ms)) if timeout_ms else None
        try:
            return self._session._call_tf_sessionrun(
                options,
                {self._handle(name): value for name, value in feeds.items()},
                [self._handle(name) for name in fetches],
                [],
                None,
            )
        except tf.errors.OpError as error:
            raise ServingError(Code(error.error_code), error.message) from None
        except UnicodeDecodeError as error:
            # TensorFlow's text quotes bytes of the request that are no UTF-8, and the code is lost on the way.
            raise ServingError(Code.INVALID_ARGUMENT, error.object.decode(errors="replace")) from None
        finally:
            if options is not None:
                pywrap_tf_session.TF_DeleteBuffer(options)

    def close(self) -> None:
        self._session.close()
        self._handles = {}
        self._session = self._graph = None
        gc.collect()  # a graph is full of cycles; without this the old version's memory stays until some later day
        return_memory()  # of a 90 MB model, closing leaves 250 MB behind

    def _handle(self, name: str):
        handle = self._handles.get(name)
        if handle is None:
            try:
                handle = self._graph.get_tensor_by_name(name)._as_tf_output()
            except (KeyError, ValueError):
                raise ServingError(Code.NOT_FOUND, f"FeedInputs: unable to find feed output {name}") from None
            self._handles[name] = handle
        return handle


def read_records(path: str):
    """Yields the records of a TFRecord file. Raises ServingError DATA_LOSS where it is none."""
    try:
        yield from _pywrap_record_io.RecordIterator(path, "")
    except tf.errors.OpError as error:
        raise ServingError(Code(error.error_code), error.message) from None


def self_test() -> None:
    """Runs a graph of two ops the private way. Raises RuntimeError naming the TensorFlow versions that are known."""
    try:
        graph = tf.Graph()
        with graph.as_default():
            x = tf.compat.v1.placeholder(tf.float32, [None, 1], name="x")
            tf.identity(x * 2.0, name="y")
        model = ModelSession(tf.compat.v1.Session(graph=graph), tf.compat.v1.MetaGraphDef())
        fed = np.array([1.5], np.float32)  # a shape that the public API refuses
        (answer,) = model.run({"x:0": fed}, ["y:0"], timeout_ms=60_000)
        refused = None
        try:
            model.run({"x:0": np.array([b"a"], object)}, ["y:0"])
        except ServingError as error:
            refused = error
        model.close()
        if answer.tolist() != [3.0] or refused is None or refused.code != Code.INVALID_ARGUMENT:
            raise RuntimeError(f"gave {answer} and {refused}")
    except Exception as error:
        raise RuntimeError(
            f"the embedded server does not work with TensorFlow {tf.__version__} (tested: {_TESTED}): {error}"
        ) from error


def _check_whole(export_dir: str) -> None:
    """Raises DATA_LOSS for a saved_model.pb that is cut off or no protobuf: some versions of protobuf read a part."""
    path = os.path.join(export_dir, "saved_model.pb")
    try:
        with open(path, "rb") as file:
            data = file.read()
        if saved_model_pb2.SavedModel().MergeFromString(data) not in (None, len(data)):
            raise DecodeError
    except FileNotFoundError:
        pass  # a text-format model, or none: the loader says
    except DecodeError:
        raise ServingError(Code.DATA_LOSS, f"Can't parse {path} as binary proto") from None


def _run_options(timeout_ms: int) -> bytes:
    return tf.compat.v1.RunOptions(timeout_in_ms=timeout_ms).SerializeToString()


def _load_error(error: Exception, export_dir: str, tags) -> ServingError:
    if isinstance(error, tf.errors.OpError):
        return ServingError(Code(error.error_code), error.message)
    text = str(error)
    if isinstance(error, RuntimeError) and "could not be found in SavedModel" in text:
        wanted = " ".join(tags)
        return ServingError(
            Code.NOT_FOUND,
            f"Could not find meta graph def matching supplied tags: {{ {wanted} }}. To inspect available tag-sets in "
            "the SavedModel, please use the SavedModel CLI: `saved_model_cli`",
        )
    if isinstance(error, OSError):
        missing = f"Could not find SavedModel .pb or .pbtxt at supplied export directory path: {export_dir}"
        return ServingError(Code.NOT_FOUND, missing)
    return ServingError(Code.INTERNAL, f"{type(error).__name__}: {text}")
