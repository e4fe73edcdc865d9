"""Command-line flags: TensorFlow Serving's names, defaults and forms. No TensorFlow here: bad input fails at once."""

import os
from dataclasses import dataclass, field, fields

CPUS = os.cpu_count() or 1


def flag(default, help: str, **metadata):
    return field(default=default, metadata={"help": help, **metadata})


class BadFlag(ValueError):
    """A flag whose value cannot be used; one sentence."""


@dataclass(frozen=True)
class Flags:
    """What the server is told. Fields marked `extension` are this server's own, off or harmless by default."""

    port: int = flag(8500, "TCP port of gRPC; 0: none")
    grpc_socket_path: str = flag("", "also listen for gRPC on this unix socket")
    rest_api_port: int = flag(0, "TCP port of HTTP/REST; 0: none")
    rest_api_num_threads: int = flag(4 * CPUS, "REST requests that run at the same time")
    rest_api_timeout_in_ms: int = flag(30_000, "time limit of a REST request")
    rest_api_enable_cors_support: bool = flag(False, "send CORS headers")
    model_name: str = flag("default", "name of the model (without --model_config_file)")
    model_base_path: str = flag("", "absolute path of the folder of versions (without --model_config_file)")
    model_config_file: str = flag("", "text-format ModelServerConfig with one or more models")
    model_config_file_poll_wait_seconds: int = flag(0, "read --model_config_file again this often; 0: never")
    file_system_poll_wait_seconds: int = flag(1, "look for new versions this often; 0: once, at start")
    max_num_load_retries: int = flag(5, "how often a failed load is tried again")
    load_retry_interval_micros: int = flag(60_000_000, "time between these tries")
    num_load_threads: int = flag(0, "threads that load models; 0: one")
    saved_model_tags: str = flag("serve", "comma-separated tags of the graph to load")
    enable_model_warmup: bool = flag(True, "replay assets.extra/tf_serving_warmup_requests before a version serves")
    num_request_iterations_for_warmup: int = flag(1, "how often each warm-up record is replayed")
    tensorflow_session_parallelism: int = flag(0, "threads within and between ops; 0: TensorFlow chooses")
    tensorflow_intra_op_parallelism: int = flag(0, "threads within one op; 0: TensorFlow chooses")
    tensorflow_inter_op_parallelism: int = flag(0, "ops that run at the same time; 0: TensorFlow chooses")
    per_process_gpu_memory_fraction: float = flag(0.0, "share of each GPU's memory; 0: TensorFlow chooses")
    grpc_max_threads: int = flag(4 * CPUS, "gRPC calls that run at the same time")
    grpc_channel_arguments: str = flag("", "comma-separated name=value for the gRPC server")
    allow_version_labels_for_unavailable_models: bool = flag(False, "labels may name versions that are not loaded")
    enable_signature_method_name_check: bool = flag(False, "check the method_name of signatures")
    enable_serialization_as_tensor_content: bool = flag(False, "answer with tensor_content, not float_val and its like")
    version: bool = flag(False, "print the version and exit")
    host: str = flag("127.0.0.1", "address to listen on; 0.0.0.0 for all", extension=True)
    drain_timeout_seconds: int = flag(30, "SIGTERM: how long requests under way may take", extension=True)


# Flags of TensorFlow Serving that change nothing here that a caller could see.
IGNORED = (
    "enable_profiler",
    "flush_filesystem_caches",
    "num_unload_threads",
    "xla_cpu_compilation_enabled",
    "prefer_tflite_model",
    "remove_unused_fields_from_bundle_metagraph",
)
# Flags that must not be passed over in silence: without them the server would not be what was asked for.
REFUSED = (
    "batching_parameters_file",
    "enable_batching",
    "enable_grpc_healthcheck_service",
    "enable_per_model_batching_parameters",
    "mixed_precision",
    "monitoring_config_file",
    "platform_config_file",
    "ssl_config_file",
    "tensorflow_session_config_file",
)


def parse(argv: list[str]) -> tuple[Flags, list[str]]:
    """Flags from `--name=value`, `--name value` and, for booleans, `--name`; and notes to print.

    Unknown arguments are noted and passed over, as TensorFlow Serving does. Raises BadFlag.
    """
    known = {f.name: f for f in fields(Flags)}
    values, notes = {}, []
    rest = list(argv)
    while rest:
        argument = rest.pop(0)
        name, has_value, text = argument.lstrip("-").partition("=")
        if not argument.startswith("-") or name not in known:
            if name in IGNORED or name in REFUSED:
                _passed_over(name, text, notes)
            else:
                notes.append(f"unknown argument {argument!r} is ignored")
            continue
        kind = known[name].type
        if not has_value:
            text = "true" if kind is bool else _next_value(name, rest)
        values[name] = _convert(name, kind, text)
    return Flags(**values), notes


def usage() -> str:
    lines = ["usage: python -m serving.server [flags]   (embedded server, not TensorFlow Serving)", "flags:"]
    for f in fields(Flags):
        mark = " (extension)" if f.metadata.get("extension") else ""
        lines.append(f"\t--{f.name}={f.default!s:<24}\t{f.type.__name__}\t{f.metadata['help']}{mark}")
    return "\n".join(lines)


def check(flags: Flags) -> None:
    """What can be seen to be wrong before TensorFlow is imported. Raises BadFlag."""
    if not flags.model_config_file and not flags.model_base_path:
        raise BadFlag("neither --model_base_path nor --model_config_file is given: there is no model to serve")
    if not flags.port and not flags.rest_api_port and not flags.grpc_socket_path:
        raise BadFlag("--port, --rest_api_port and --grpc_socket_path are all off: there is nothing to listen on")
    for name in ("port", "rest_api_port"):
        if not 0 <= getattr(flags, name) <= 65535:
            raise BadFlag(f"--{name}={getattr(flags, name)} is no TCP port: expected 0 to 65535")
    if flags.port and flags.port == flags.rest_api_port:
        raise BadFlag(f"--port and --rest_api_port are both {flags.port}: they need two ports")
    for name in ("rest_api_num_threads", "grpc_max_threads"):
        if getattr(flags, name) < 1:
            raise BadFlag(f"--{name}={getattr(flags, name)}: expected at least 1")
    for pair in filter(None, flags.grpc_channel_arguments.split(",")):
        if "=" not in pair:
            raise BadFlag(f"--grpc_channel_arguments: {pair!r} is not name=value")


def _passed_over(name: str, text: str, notes: list[str]) -> None:
    off = text.lower() in ("false", "0") or (not text and name not in REFUSED)
    if name in REFUSED and not off:
        raise BadFlag(f"--{name} is not supported by the embedded server: leave it out, or use tensorflow_model_server")
    notes.append(f"--{name} has no effect in the embedded server")


def _next_value(name: str, rest: list[str]) -> str:
    if not rest or rest[0].startswith("--"):
        raise BadFlag(f"--{name} needs a value: --{name}=VALUE")
    return rest.pop(0)


def _convert(name: str, kind: type, text: str):
    try:
        if kind is bool:
            return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
        return kind(text)
    except (KeyError, ValueError):
        raise BadFlag(f"Couldn't interpret value {text} for flag {name}.") from None
