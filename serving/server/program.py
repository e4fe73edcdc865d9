"""The server as a program: flags, files, signals, exit codes.

Nothing here imports TensorFlow before flags and files are found to be usable, so that bad input fails at once.
"""

import gc
import logging
import os
import signal
import sys
import threading
import warnings

from serving.ports import why_not_free
from serving.server import config, configuration, text_files
from serving.server.app import NAME, ModelServer
from serving.server.config import ModelSettings
from serving.server.configuration import Configuration
from serving.server.flags import BadFlag, Flags, Parsed, check, idle, parse, usage
from serving.server.status import Code, ServingError, invalid

log = logging.getLogger(__name__)

_FAILED = 255  # what a C program that returns -1 exits with


def main(argv: list[str] | None = None) -> int:
    """Runs the server until SIGTERM or SIGINT; returns the exit code."""
    try:
        parsed = parse(sys.argv[1:] if argv is None else argv)
    except BadFlag as error:
        print(error, file=sys.stderr)
        print(usage())
        return _FAILED
    if parsed.flags.version:
        print(_version())
        return 0
    _tell(parsed)
    flags = parsed.flags
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname).1s %(message)s")
    try:
        check(flags)
        models = config.from_flags(flags)
        files = configuration.read(flags)
        _check_ports(flags)
    except text_files.NotParsed as error:  # libprotobuf's complaint about the file goes to stderr
        print(error, file=sys.stderr)
        return _start_failed(text_files.unusable(error.path))
    except ServingError as error:
        return _start_failed(error)
    return _run(flags, models, files)


def _tell(parsed: Parsed) -> None:
    for note in [*parsed.notes, *idle(parsed.flags)]:
        print(note, file=sys.stderr)
    if parsed.unknown:
        print(f"unknown argument: {parsed.unknown[0]}")
        print(usage(), flush=True)
    for argument in parsed.unknown[1:]:
        print(f"unknown argument: {argument}", file=sys.stderr)


def _run(flags: Flags, models: list[ModelSettings], files: Configuration) -> int:
    asked = threading.Event()
    server: list[ModelServer] = []

    def on_signal(number, frame):
        asked.set()
        for one in server:
            one.ask_to_stop()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    print(f"{NAME}: loading TensorFlow", file=sys.stderr, flush=True)
    try:
        _quiet_tensorflow()
        server.append(ModelServer(flags, models, files=files))
    except (ImportError, RuntimeError) as error:  # no TensorFlow, or one that this server does not know how to use
        return _start_failed(ServingError(Code.INTERNAL, str(error)))
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


def _check_ports(flags: Flags) -> None:
    for name in ("port", "rest_api_port"):
        port = getattr(flags, name)
        if not port:
            continue
        if reason := why_not_free(port, flags.host):
            what = f"--{name}={port}: cannot listen on {flags.host}: {reason}"
            raise invalid(f"Failed to BuildAndStart server: {what}")


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
    return f"TensorFlow ModelServer: bert-keras {NAME}\nTensorFlow Library: {tensorflow}"


def _quiet_tensorflow() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Off by TensorFlow's own choice on x86 without AVX-512 VNNI, where an exported encoder then has none of its fused
    # products. Whoever has set it is left alone.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    warnings.simplefilter("ignore", FutureWarning)
    import tensorflow as tf

    tf.get_logger().setLevel(logging.ERROR)
