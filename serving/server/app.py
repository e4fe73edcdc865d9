"""The server as a whole: models first, ports after, and out again in the reverse order.

This module imports no TensorFlow until `ModelServer` is made.
"""

import logging
import threading
import time

from serving.server import config, configuration
from serving.server.config import ModelSettings
from serving.server.configuration import Configuration
from serving.server.extensions.notes import NotingCore
from serving.server.flags import CPUS, Flags
from serving.server.metrics import Metrics
from serving.server.status import ServingError

log = logging.getLogger(__name__)

NAME = "embedded server, not TensorFlow Serving"
# A waiting request holds a thread: with batching there must be enough of them to fill a batch while another one runs.
_MOST_BATCHING_THREADS = 256


class ModelServer:
    """Loads models and answers for them over gRPC and REST.

    Example:
        with ModelServer(Flags(port=0, ...), models) as server: ...

    Args:
        flags: see `flags.Flags`. `any_port` opens free ports in place of `port` and, where it is set, `rest_api_port`.
        models: what to serve.
        files: what the flags' other files say, where they have been read already.

    Raises ServingError, or text_files.NotParsed, where they have not and one cannot be used.
    """

    def __init__(
        self,
        flags: Flags,
        models: list[ModelSettings],
        any_port: bool = False,
        files: Configuration | None = None,
    ):
        self._files = files or configuration.read(flags)

        from serving.server import session
        from serving.server.batch_scheduler import BatchScheduler
        from serving.server.core import CallOptions, ServerCore
        from serving.server.loading import Loader
        from serving.server.manager import ModelManager

        session.import_custom_ops()
        session.self_test()
        self._flags = flags
        self._models = models
        self._any_port = any_port
        self._stop_asked = threading.Event()
        options = CallOptions(flags.enable_serialization_as_tensor_content, flags.enable_signature_method_name_check)
        self.metrics = Metrics()
        self._scheduler = BatchScheduler(self._files.pool) if self._files.batching else None
        self.manager = ModelManager(
            Loader(flags, self._files, options, self._scheduler, self.metrics),
            poll_seconds=flags.file_system_poll_wait_seconds,
            max_retries=flags.max_num_load_retries,
            retry_seconds=flags.load_retry_interval_micros / 1e6,
            load_threads=flags.num_load_threads,
            unload_threads=flags.num_unload_threads,
        )
        self.core = ServerCore(self.manager, options, flags.allow_version_labels_for_unavailable_models, self.metrics)
        self._gate = self._files.gate
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
        if self.manager.stop(timeout=max(deadline - time.monotonic(), 0)) and self._scheduler:
            self._scheduler.stop()
        if self._gate:
            self._gate.close()

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
        server = GrpcServer(
            self._called_core(),
            addresses,
            self._threads(self._flags.grpc_max_threads),
            arguments,
            self._files.credentials,
            self._flags.enable_grpc_healthcheck_service,
            self._gate,
        )
        server.start()
        self._grpc = server
        self.port = server.ports[0]
        log.info("running gRPC %s at %s", NAME, ", ".join(addresses))

    def _called_core(self):
        """What the transports call: behind a gate a core that takes notes for the request log."""
        return NotingCore(self.core) if self._gate else self.core

    def _threads(self, asked: int) -> int:
        batching = self._files.batching
        if batching is None or asked != 4 * CPUS:
            return asked
        return max(asked, min(2 * batching.max_batch_size, _MOST_BATCHING_THREADS))

    def _open_rest(self) -> None:
        from serving.server.extensions.status_page import StatusPage
        from serving.server.rest_api import Page, RestServer
        from serving.server.rest_routes import Routes

        if not self._flags.rest_api_port and not self._any_port:
            return
        routes = Routes(self._called_core(), self._flags.rest_api_timeout_in_ms)
        port = 0 if self._any_port else self._flags.rest_api_port
        cors = self._flags.rest_api_enable_cors_support
        pages = {self._files.metrics_path: Page(self.metrics.text)} if self._files.metrics_path else {}
        if self._flags.ext_status_page:
            pages |= StatusPage(self.core, NAME).pages()
        threads = self._threads(self._flags.rest_api_num_threads)
        server = RestServer(routes, self._flags.host, port, threads, cors, pages, self._gate)
        server.start()
        self._rest = server
        self.rest_port = server.port
        log.info("running HTTP/REST %s at %s", NAME, _address(self._flags.host, server.port))

    def _watch_config(self) -> None:
        while not self._stop_asked.wait(self._flags.model_config_file_poll_wait_seconds):
            try:
                models = config.from_file(self._flags.model_config_file)
                # The file has the last word, over calls of HandleReloadConfigRequest too.
                if models is not None and models != self.core.models:
                    self.core.reload(models)
            except (ServingError, ValueError) as error:
                log.error("the model configuration is kept: %s", error)


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
