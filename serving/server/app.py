"""The server as a whole: models first, ports after, and out again in the reverse order.

This module imports no TensorFlow until `ModelServer` is made, so that bad flags and files fail at once.
"""

import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
import warnings

from serving.server import config
from serving.server.config import ModelSettings
from serving.server.flags import BadFlag, Flags, check, parse, usage
from serving.server.status import Code, ServingError

log = logging.getLogger(__name__)

NAME = "embedded server, not TensorFlow Serving"
_FAILED = 255  # what a C program that returns -1 exits with


class ModelServer:
    """Loads models and answers for them over gRPC and REST.

    Example:
        with ModelServer(Flags(port=0, ...), models) as server: ...

    Args:
        flags: see `flags.Flags`. `any_port` opens free ports in place of `port` and, where it is set, `rest_api_port`.
        models: what to serve.
    """

    def __init__(self, flags: Flags, models: list[ModelSettings], any_port: bool = False):
        from serving.server import session
        from serving.server.core import CallOptions, ServerCore
        from serving.server.manager import ModelManager

        session.import_custom_ops()
        session.self_test()
        self._flags = flags
        self._models = models
        self._any_port = any_port
        self._stop_asked = threading.Event()
        options = CallOptions(flags.enable_serialization_as_tensor_content, flags.enable_signature_method_name_check)
        self.manager = ModelManager(
            _loader(flags, options),
            poll_seconds=flags.file_system_poll_wait_seconds,
            max_retries=flags.max_num_load_retries,
            retry_seconds=flags.load_retry_interval_micros / 1e6,
            load_threads=flags.num_load_threads,
        )
        self.core = ServerCore(self.manager, options, flags.allow_version_labels_for_unavailable_models)
        self._grpc = self._rest = None
        self.port: int | None = None
        self.rest_port: int | None = None

    def start(self) -> bool:
        """Returns when every model answers and the ports are open; False when `ask_to_stop` came before.

        Raises ServingError when a model is given up, OSError when a port is taken.
        """
        self.manager.start()
        self.core.reload(self._models, "servable(s)", self._stop_asked.is_set)
        if self._stop_asked.is_set():
            return False
        self._open_grpc()
        self._open_rest()
        if self._flags.model_config_file and self._flags.model_config_file_poll_wait_seconds:
            threading.Thread(target=self._watch_config, name="config", daemon=True).start()
        return True

    def ask_to_stop(self) -> None:
        """Safe to call from a signal handler."""
        self._stop_asked.set()

    def wait(self) -> None:
        """Returns when `ask_to_stop` was called."""
        while not self._stop_asked.wait(1.0):
            pass

    def stop(self) -> None:
        """Refuses new requests, answers those under way, closes the models."""
        grace = self._flags.drain_timeout_seconds
        deadline = time.monotonic() + grace
        self._stop_asked.set()
        rest = threading.Thread(target=self._rest.stop, args=(grace,)) if self._rest else None
        if rest:
            rest.start()
        if self._grpc:
            self._grpc.stop(grace)
        if rest:
            rest.join()
        self.manager.stop(timeout=max(deadline - time.monotonic(), 0))

    def __enter__(self) -> "ModelServer":
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *exc) -> None:
        self.stop()

    def _open_grpc(self) -> None:
        from serving.server.grpc_api import GrpcServer

        addresses = [f"unix:{self._flags.grpc_socket_path}"] if self._flags.grpc_socket_path else []
        if self._flags.port or self._any_port:
            addresses.insert(0, _address(self._flags.host, 0 if self._any_port else self._flags.port))
        if not addresses:
            return
        pairs = (pair.split("=", 1) for pair in self._flags.grpc_channel_arguments.split(",") if pair)
        arguments = {name: int(value) if value.lstrip("-").isdigit() else value for name, value in pairs}
        server = GrpcServer(self.core, addresses, self._flags.grpc_max_threads, arguments)
        server.start()
        self._grpc = server
        self.port = server.ports[0]
        log.info("running gRPC %s at %s", NAME, ", ".join(addresses))

    def _open_rest(self) -> None:
        from serving.server.rest_api import RestServer
        from serving.server.rest_routes import Routes

        if not self._flags.rest_api_port and not self._any_port:
            return
        routes = Routes(self.core, self._flags.rest_api_timeout_in_ms)
        port = 0 if self._any_port else self._flags.rest_api_port
        cors = self._flags.rest_api_enable_cors_support
        server = RestServer(routes, self._flags.host, port, self._flags.rest_api_num_threads, cors)
        server.start()
        self._rest = server
        self.rest_port = server.port
        log.info("running HTTP/REST %s at %s", NAME, _address(self._flags.host, server.port))

    def _watch_config(self) -> None:
        while not self._stop_asked.wait(self._flags.model_config_file_poll_wait_seconds):
            try:
                models = config.from_file(self._flags.model_config_file)
                if models != self._models:
                    self.core.reload(models)
                    self._models = models
            except (ServingError, ValueError) as error:
                log.error("the model configuration is kept: %s", error)


def main(argv: list[str] | None = None) -> int:
    """Runs the server until SIGTERM or SIGINT; returns the exit code."""
    try:
        flags, notes = parse(sys.argv[1:] if argv is None else argv)
        for note in notes:
            print(note, file=sys.stderr)
        if flags.version:
            print(_version())
            return 0
        check(flags)
        _check_ports(flags)
    except BadFlag as error:
        print(error, file=sys.stderr)
        print(usage())
        return _FAILED
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname).1s %(message)s")
    try:
        models = config.from_flags(flags)
    except ValueError as error:  # libprotobuf's complaint about the file goes to stderr
        print(error, file=sys.stderr)
        return _start_failed(ServingError(Code.INVALID_ARGUMENT, f"Invalid protobuf file: '{flags.model_config_file}'"))
    except ServingError as error:
        return _start_failed(error)
    return _run(flags, models)


def _run(flags: Flags, models: list[ModelSettings]) -> int:
    asked = threading.Event()
    server: list[ModelServer] = []

    def on_signal(number, frame):
        asked.set()
        for one in server:
            one.ask_to_stop()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    print(f"{_version()}: loading TensorFlow", file=sys.stderr, flush=True)
    _quiet_tensorflow()
    server.append(ModelServer(flags, models))
    gc.collect()
    gc.freeze()  # what is imported stays: collecting an unloaded model's graph then does not look at it again
    try:
        if not asked.is_set() and server[0].start():
            server[0].wait()
    except ServingError as error:
        return _start_failed(error)
    except OSError as error:
        return _start_failed(ServingError(Code.UNKNOWN, str(error)))
    log.info("stopping: requests under way are answered, new ones refused")
    server[0].stop()
    log.info("stopped")
    return 0


def _loader(flags: Flags, options):
    """How a version is loaded: graph, variables and tables, then its own warm-up requests."""
    from serving.server import session
    from serving.server.servable import Servable
    from serving.server.warmup import warm_up

    between = flags.tensorflow_inter_op_parallelism or flags.tensorflow_session_parallelism
    within = flags.tensorflow_intra_op_parallelism or flags.tensorflow_session_parallelism
    session_config = session.session_config(between, within, flags.per_process_gpu_memory_fraction)
    tags = tuple(tag for tag in flags.saved_model_tags.split(",") if tag)

    def load(name: str, version: int, path: str) -> Servable:
        servable = Servable(name, version, session.ModelSession.load(path, tags, session_config))
        if flags.enable_model_warmup:
            try:
                count = warm_up(servable, path, options, flags.num_request_iterations_for_warmup)
            except Exception:
                servable.close()
                raise
            log.info("warmed up {name: %s version: %s} with %d records", name, version, count)
        return servable

    return load


def _check_ports(flags: Flags) -> None:
    for name in ("port", "rest_api_port"):
        port = getattr(flags, name)
        if not port:
            continue
        family = socket.AF_INET6 if ":" in flags.host else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((flags.host, port))
        except OSError as error:
            raise BadFlag(f"--{name}={port}: cannot listen on {flags.host}: {error.strerror}") from None


def _start_failed(error: ServingError) -> int:
    print(f"Failed to start server. Error: {error}", flush=True)
    sys.stderr.flush()
    logging.shutdown()
    return _FAILED


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        tensorflow = version("tensorflow")
    except PackageNotFoundError:
        tensorflow = "not installed"
    return f"bert-keras model server ({NAME}), TensorFlow {tensorflow}"


def _quiet_tensorflow() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Off by TensorFlow's own choice on x86 without AVX-512 VNNI, where an exported encoder then has none of its fused
    # products. Whoever has set it is left alone.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    warnings.simplefilter("ignore", FutureWarning)
    import tensorflow as tf

    tf.get_logger().setLevel(logging.ERROR)


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
