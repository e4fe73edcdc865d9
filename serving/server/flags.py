"""Command-line flags: TensorFlow Serving's names, defaults and forms. No TensorFlow here: bad input fails at once."""

import os
from dataclasses import dataclass, field, fields
from typing import NamedTuple

from serving.server.status import invalid

CPUS = os.cpu_count() or 1


def flag(default, help: str, **metadata):
    return field(default=default, metadata={"help": help, **metadata})


class BadFlag(ValueError):
    """A flag whose value cannot be used; one sentence."""


@dataclass(frozen=True)
class Flags:
    """What the server is told. Fields marked `extension` are this server's own.

    `host` and `drain_timeout_seconds` say where it listens and how it stops. What else it can do that TensorFlow
    Serving cannot is named `ext_…` and off by default.
    """

    port: int = flag(8500, "TCP port of gRPC; 0: none")
    grpc_socket_path: str = flag("", "also listen for gRPC on this unix socket")
    rest_api_port: int = flag(0, "TCP port of HTTP/REST; 0: none")
    rest_api_num_threads: int = flag(4 * CPUS, "REST requests that run at the same time")
    rest_api_timeout_in_ms: int = flag(30_000, "time limit of a REST request")
    rest_api_enable_cors_support: bool = flag(False, "send CORS headers")
    enable_batching: bool = flag(False, "put requests together: one run of the model for several of them")
    batching_parameters_file: str = flag("", "text-format BatchingParameters; needs --enable_batching")
    enable_per_model_batching_parameters: bool = flag(
        False, "take them from batching_params.pbtxt beside the model (the threads: from --batching_parameters_file)"
    )
    model_name: str = flag("default", "name of the model (without --model_config_file)")
    model_base_path: str = flag("", "absolute path of the folder of versions (without --model_config_file)")
    model_config_file: str = flag("", "text-format ModelServerConfig with one or more models")
    model_config_file_poll_wait_seconds: int = flag(0, "read --model_config_file again this often; 0: never")
    file_system_poll_wait_seconds: int = flag(1, "look for new versions this often; 0: once, at start")
    max_num_load_retries: int = flag(5, "how often a failed load is tried again")
    load_retry_interval_micros: int = flag(60_000_000, "time between these tries")
    num_load_threads: int = flag(0, "threads that load models; 0: one")
    num_unload_threads: int = flag(0, "threads that unload models; 0: one")
    saved_model_tags: str = flag("serve", "comma-separated tags of the graph to load")
    enable_model_warmup: bool = flag(True, "replay assets.extra/tf_serving_warmup_requests before a version serves")
    num_request_iterations_for_warmup: int = flag(0, "how often each warm-up record is replayed; 0: once")
    tensorflow_session_parallelism: int = flag(0, "threads within and between ops; 0: TensorFlow chooses")
    tensorflow_intra_op_parallelism: int = flag(0, "threads within one op; 0: TensorFlow chooses")
    tensorflow_inter_op_parallelism: int = flag(0, "ops that run at the same time; 0: TensorFlow chooses")
    tensorflow_session_config_file: str = flag("", "text-format ConfigProto of the sessions; flags above go before it")
    mixed_precision: str = flag("", "bfloat16: compute in it where that is safe")
    per_process_gpu_memory_fraction: float = flag(0.0, "share of each GPU's memory; 0: TensorFlow chooses")
    grpc_max_threads: int = flag(4 * CPUS, "gRPC calls that run at the same time")
    grpc_channel_arguments: str = flag("", "comma-separated name=value for the gRPC server")
    ssl_config_file: str = flag("", "text-format SSLConfig: TLS for gRPC (REST has none)")
    enable_grpc_healthcheck_service: bool = flag(False, "answer grpc.health.v1.Health")
    monitoring_config_file: str = flag("", "text-format MonitoringConfig: metrics for Prometheus on the REST port")
    allow_version_labels_for_unavailable_models: bool = flag(False, "new labels may name versions that are not loaded")
    enable_signature_method_name_check: bool = flag(False, "check the method_name of signatures")
    enable_serialization_as_tensor_content: bool = flag(False, "answer with tensor_content, not float_val and its like")
    version: bool = flag(False, "print the version and exit")
    host: str = flag("127.0.0.1", "address to listen on; 0.0.0.0 for all", extension=True)
    drain_timeout_seconds: int = flag(30, "SIGTERM: how long requests under way may take", extension=True)
    ext_auth_token_file: str = flag("", "answer only calls with a token of this file: lines NAME TOKEN", extension=True)
    ext_max_requests_per_second: float = flag(
        0.0, "of one client: its token's name, else its address; 0: no limit", extension=True
    )
    ext_request_burst: int = flag(0, "requests at once within that limit; 0: as many as a second", extension=True)
    ext_max_request_bytes: int = flag(0, "largest request, unpacked too; 0: 2 GiB", extension=True)
    ext_request_log: str = flag(
        "", "a JSON line for each request, without its texts, into this file; -: stderr", extension=True
    )
    ext_slow_request_ms: int = flag(
        0,
        "mark requests that took this long; without --ext_request_log only they are written, to stderr",
        extension=True,
    )
    ext_log_texts: bool = flag(False, "the texts of requests in these lines too", extension=True)
    ext_status_page: bool = flag(
        False, "GET /ext/status on the REST port: models, latencies and queues for people", extension=True
    )
    ext_max_batch_tokens: int = flag(
        0, "rows times the longest of them in a batch, in tokens; 0: batches by rows alone", extension=True
    )
    ext_batch_length_buckets: str = flag(
        "16,32,64,128,256,512",
        "with it: lengths up to which requests are put together; the last is the longest row of a model",
        extension=True,
    )


_NOT_NEGATIVE = (
    "file_system_poll_wait_seconds",
    "model_config_file_poll_wait_seconds",
    "max_num_load_retries",
    "ext_max_requests_per_second",
    "ext_request_burst",
    "ext_max_request_bytes",
    "ext_slow_request_ms",
    "ext_max_batch_tokens",
)


class Parsed(NamedTuple):
    """flags; notes: sentences about flags without effect; unknown: arguments that no server knows."""

    flags: Flags
    notes: list[str]
    unknown: list[str]


# Flags of TensorFlow Serving that change nothing here that a caller could see, and their defaults there.
IGNORED = {
    "enable_profiler": "true",
    "flush_filesystem_caches": "true",
    "num_tflite_interpreters_per_pool": "1",
    "num_tflite_pools": "1",
    "remove_unused_fields_from_bundle_metagraph": "true",
    "skip_initialize_tpu": "false",
    "xla_cpu_compilation_enabled": "false",
    "xla_gpu_compilation_enabled": "false",
}
# Flags that must not be passed over in silence: without them the server would not be what was asked for.
REFUSED = {
    "platform_config_file": "",
    "prefer_tflite_model": "false",
    "thread_pool_factory_config_file": "",
    "use_alts_credentials": "false",
}


def parse(argv: list[str]) -> Parsed:
    """Flags from `--name=value`, `--name value` and, for booleans, `--name`.

    Unknown arguments are passed over, as TensorFlow Serving does. Raises BadFlag.
    """
    known = {f.name: f for f in fields(Flags)}
    values, notes, unknown = {}, [], []
    rest = list(argv)
    while rest:
        argument = rest.pop(0)
        name, has_value, text = argument.lstrip("-").partition("=")
        if not argument.startswith("-") or name not in known:
            if name in IGNORED or name in REFUSED:
                _passed_over(name, text, notes)
            else:
                unknown.append(argument)
            continue
        kind = known[name].type
        if not has_value:
            text = "true" if kind is bool else _next_value(name, rest)
        values[name] = _convert(name, kind, text)
    return Parsed(Flags(**values), notes, unknown)


def usage() -> str:
    lines = [
        "usage: python -m serving.server [flags]   (embedded server, not TensorFlow Serving)",
        "TensorFlow Serving has no flag that is marked (extension); those named --ext_... are off unless given.",
        "flags:",
    ]
    for f in fields(Flags):
        mark = " (extension)" if f.metadata.get("extension") else ""
        lines.append(f"\t--{f.name}={f.default!s:<24}\t{f.type.__name__}\t{f.metadata['help']}{mark}")
    for names, what in ((IGNORED, "no effect in the embedded server"), (REFUSED, "refused by the embedded server")):
        lines += [f"\t--{name}={default:<24}\t{what}" for name, default in names.items()]
    return "\n".join(lines)


def check(flags: Flags) -> None:
    """What can be seen to be wrong before TensorFlow is imported. Raises ServingError INVALID_ARGUMENT."""
    if not flags.port and not flags.grpc_socket_path:
        raise invalid("server_options.grpc_port is not set.")
    if not flags.model_config_file and not flags.model_base_path:
        raise invalid("Both server_options.model_base_path and server_options.model_config_file are empty!")
    if flags.batching_parameters_file and not flags.enable_batching:
        raise invalid(
            "server_options.batching_parameters_file is set without setting server_options.enable_batching to true."
        )
    threads = "intra_op", "inter_op", "session"
    if all(getattr(flags, f"tensorflow_{name}_parallelism") > 0 for name in threads):
        raise invalid(
            "Either configure server_options.tensorflow_session_parallelism or "
            "(server_options.tensorflow_intra_op_parallelism, server_options.tensorflow_inter_op_parallelism) "
            "separately. You cannot configure all."
        )
    _check_numbers(flags)
    if flags.port and flags.port == flags.rest_api_port:
        raise invalid(f"--port and --rest_api_port are both {flags.port}: they need two ports")
    if flags.mixed_precision not in ("", "bfloat16"):
        raise invalid(f"--mixed_precision={flags.mixed_precision}: expected bfloat16")
    for pair in filter(None, flags.grpc_channel_arguments.split(",")):
        if "=" not in pair:
            raise invalid(f"--grpc_channel_arguments: {pair!r} is not name=value")
    if flags.ext_max_batch_tokens and not flags.enable_batching:
        raise invalid("--ext_max_batch_tokens is set without --enable_batching")


def idle(flags: Flags) -> list[str]:
    """Sentences about flags that do nothing without others."""
    notes = []
    if flags.enable_per_model_batching_parameters and not flags.enable_batching:
        notes.append("--enable_per_model_batching_parameters has no effect without --enable_batching")
    if flags.monitoring_config_file and not flags.rest_api_port:
        notes.append("--monitoring_config_file has no effect without --rest_api_port")
    if flags.ssl_config_file and flags.rest_api_port:
        notes.append("--ssl_config_file is for gRPC alone: --rest_api_port takes plain connections")
    if flags.model_config_file_poll_wait_seconds and not flags.model_config_file:
        notes.append("--model_config_file_poll_wait_seconds has no effect without --model_config_file")
    return notes + _idle_extensions(flags)


def extensions() -> list[str]:
    """Names of the flags that TensorFlow Serving has not."""
    return [f.name for f in fields(Flags) if f.metadata.get("extension")]


def is_local(host: str) -> bool:
    """Whether only this machine reaches what listens on `host`."""
    return host == "localhost" or host == "::1" or host.startswith("127.")


def _idle_extensions(flags: Flags) -> list[str]:
    notes = []
    if flags.ext_request_burst and not flags.ext_max_requests_per_second:
        notes.append("--ext_request_burst has no effect without --ext_max_requests_per_second")
    if flags.ext_log_texts and not (flags.ext_request_log or flags.ext_slow_request_ms):
        notes.append("--ext_log_texts has no effect without --ext_request_log or --ext_slow_request_ms")
    if flags.ext_status_page and not flags.rest_api_port:
        notes.append("--ext_status_page has no effect without --rest_api_port")
    if flags.ext_batch_length_buckets != Flags.ext_batch_length_buckets and not flags.ext_max_batch_tokens:
        notes.append("--ext_batch_length_buckets has no effect without --ext_max_batch_tokens")
    plain = [name for name, used in (("gRPC", not flags.ssl_config_file), ("REST", flags.rest_api_port)) if used]
    if flags.ext_auth_token_file and not is_local(flags.host) and plain:
        notes.append(
            f"--ext_auth_token_file on {flags.host}: tokens travel unencrypted over {' and '.join(plain)}, and whoever "
            "reads them on the way can use them"
        )
    return notes


def _check_numbers(flags: Flags) -> None:
    for name in ("port", "rest_api_port"):
        if not 0 <= getattr(flags, name) <= 65535:
            raise invalid(f"--{name}={getattr(flags, name)} is no TCP port: expected 0 to 65535")
    for name in ("rest_api_num_threads", "grpc_max_threads"):
        if getattr(flags, name) < 1:
            raise invalid(f"--{name}={getattr(flags, name)}: expected at least 1")
    for name in _NOT_NEGATIVE:
        if not getattr(flags, name) >= 0:
            raise invalid(f"--{name}={getattr(flags, name)}: expected 0 or more")


def _passed_over(name: str, text: str, notes: list[str]) -> None:
    if name in REFUSED and text.lower() not in ("false", "0"):
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
