"""1.8: the command line: forms of flags, their names and defaults."""

import os
import re

import numpy as np

from serving.conformance.case import Case, Mismatch, Section, Skipped, fits, same
from serving.conformance.process import run
from serving.conformance.subject import PREDICT
from serving.conformance.usage import UNKNOWN, defaults
from serving.conformance.wire import predict_request

CASES: list[Case] = []
section = Section(CASES, "1.8", "")
running = Section(CASES, "1.8", "flags")
once = Section(CASES, "1.8", "once")

# TensorFlow counts the CPUs that the process may use, other programs those that there are.
_CPUS = {os.cpu_count() or 1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1}
_FOUR_PER_CPU = tuple(4 * cpus for cpus in _CPUS)
DEFAULTS = {
    "port": 8500,
    "rest_api_port": 0,
    "grpc_socket_path": "",
    "rest_api_num_threads": _FOUR_PER_CPU,
    "rest_api_timeout_in_ms": 30_000,
    "rest_api_enable_cors_support": False,
    "enable_batching": False,
    "batching_parameters_file": "",
    "enable_per_model_batching_parameters": False,
    "model_config_file": "",
    "model_config_file_poll_wait_seconds": 0,
    "model_name": "default",
    "model_base_path": "",
    "num_load_threads": 0,
    "num_unload_threads": 0,
    "max_num_load_retries": 5,
    "load_retry_interval_micros": 60_000_000,
    "file_system_poll_wait_seconds": 1,
    "flush_filesystem_caches": True,
    "tensorflow_session_parallelism": 0,
    "tensorflow_intra_op_parallelism": 0,
    "tensorflow_inter_op_parallelism": 0,
    "tensorflow_session_config_file": "",
    "ssl_config_file": "",
    "platform_config_file": "",
    "per_process_gpu_memory_fraction": 0.0,
    "saved_model_tags": "serve",
    "grpc_channel_arguments": "",
    "grpc_max_threads": _FOUR_PER_CPU,
    "enable_model_warmup": True,
    "num_request_iterations_for_warmup": 0,
    "version": False,
    "monitoring_config_file": "",
    "prefer_tflite_model": False,
    "enable_signature_method_name_check": False,
    "xla_cpu_compilation_enabled": False,
    "enable_profiler": True,
    "mixed_precision": "",
    "allow_version_labels_for_unavailable_models": False,
    "enable_grpc_healthcheck_service": False,
}


def _default(name: str, expected):
    def check(program):
        found = defaults(program.argv, program.patience)
        if name not in found:
            raise Mismatch("an unknown argument", f"--{name} in the usage", f"the flags {sorted(found)}")
        sent = f"default of --{name} in the usage"
        if isinstance(expected, tuple):
            same(sent, _as(int, found[name]) in expected, True)
        else:
            same(sent, _as(type(expected), found[name]), expected)

    return check


def _as(kind: type, text: str):
    """The value that the usage shows as text."""
    if kind is bool:
        return {"true": True, "false": False, "1": True, "0": False}.get(text.lower(), text)
    try:
        return kind(text)
    except ValueError:
        return text


for _name, _value in DEFAULTS.items():
    _shown = "4 per CPU" if isinstance(_value, tuple) else repr(_value)
    section.add(f"default:{_name}", f"--{_name} is {_shown} unless it is given.", _default(_name, _value))


@section.case("default:enable_serialization_as_tensor_content")
def default_of_tensor_content(program):
    """--enable_serialization_as_tensor_content is there from release 2.19 on, and off unless it is given."""
    name = "enable_serialization_as_tensor_content"
    found = defaults(program.argv, program.patience)
    if name not in found:
        raise Skipped(f"its usage has no --{name}: a release before 2.19")
    same(f"default of --{name} in the usage", _as(bool, found[name]), False)


@section.case("unknown-argument")
def unknown_argument(program):
    """An argument that is no flag is told, with the usage, and the start goes on."""
    done = run([*program.argv, UNKNOWN, "--port=0", "--model_base_path=/m"], program.patience)
    same(f"stdout with {UNKNOWN}", f"unknown argument: {UNKNOWN}" in done.stdout, True)
    same("a usage on stdout", "usage:" in done.stdout.lower(), True)
    # That it went on shows in what it meets next.
    last = done.stdout.strip().splitlines()[-1]
    fits("the last line", last, re.compile(r"Failed to start server\. Error: .*server_options\.grpc_port is not set\."))


@section.case("version")
def version(program):
    """--version prints `TensorFlow ModelServer: ..` and `TensorFlow Library: ..`, and ends with code 0."""
    done = run([*program.argv, "--version"], program.patience)
    fits("--version", done.stdout.strip(), re.compile(r"TensorFlow ModelServer: .+\nTensorFlow Library: .+"))
    same("exit code of --version", done.code, 0)


@running.case("booleans")
def booleans(server):
    """A boolean flag is given as --name, as --name=true, or --name=false."""
    # --enable_grpc_healthcheck_service stands alone, --enable_signature_method_name_check has =true.
    with server.endpoint.channel() as channel:
        same("health", channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=60), b"\x08\x01")
    x = {"x": np.float32([1.0])}
    server.refused(PREDICT, predict_request("old", "other", x), "INTERNAL", re.compile(".*method_name.*"))


@once.case("saved-model-tags")
def saved_model_tags(server):
    """--saved_model_tags chooses the graph of a SavedModel that has several."""
    server.predicted(predict_request("tagged", inputs={"x": np.float32([5.0])}), {"y": [4.0]})
