"""Command-line flags: forms, defaults, and what is refused, noted or passed over."""

import dataclasses
import os

import pytest

from serving.server import flags
from serving.server.status import ServingError


def test_flags_are_read_in_all_their_forms():
    argv = ["--port=1", "--rest_api_port", "2", "--enable_model_warmup=false", "--version", "-x", "--enable_batching"]
    parsed, notes, unknown = flags.parse(argv)
    assert (parsed.port, parsed.rest_api_port, parsed.enable_model_warmup, parsed.version) == (1, 2, False, True)
    assert parsed.enable_batching is True
    assert (notes, unknown) == ([], ["-x"])


def test_defaults_are_those_of_tensorflow_serving():
    cpus = os.cpu_count()
    assert {field.name: field.default for field in dataclasses.fields(flags.Flags)} == {
        "port": 8500,
        "grpc_socket_path": "",
        "rest_api_port": 0,
        "rest_api_num_threads": 4 * cpus,
        "rest_api_timeout_in_ms": 30_000,
        "rest_api_enable_cors_support": False,
        "enable_batching": False,
        "batching_parameters_file": "",
        "enable_per_model_batching_parameters": False,
        "model_name": "default",
        "model_base_path": "",
        "model_config_file": "",
        "model_config_file_poll_wait_seconds": 0,
        "file_system_poll_wait_seconds": 1,
        "max_num_load_retries": 5,
        "load_retry_interval_micros": 60_000_000,
        "num_load_threads": 0,
        "num_unload_threads": 0,
        "saved_model_tags": "serve",
        "enable_model_warmup": True,
        "num_request_iterations_for_warmup": 0,
        "tensorflow_session_parallelism": 0,
        "tensorflow_intra_op_parallelism": 0,
        "tensorflow_inter_op_parallelism": 0,
        "tensorflow_session_config_file": "",
        "mixed_precision": "",
        "per_process_gpu_memory_fraction": 0.0,
        "grpc_max_threads": 4 * cpus,
        "grpc_channel_arguments": "",
        "ssl_config_file": "",
        "enable_grpc_healthcheck_service": False,
        "monitoring_config_file": "",
        "allow_version_labels_for_unavailable_models": False,
        "enable_signature_method_name_check": False,
        "enable_serialization_as_tensor_content": False,
        "version": False,
        # This server's own:
        "host": "127.0.0.1",
        "drain_timeout_seconds": 30,
        "ext_auth_token_file": "",
        "ext_max_requests_per_second": 0.0,
        "ext_request_burst": 0,
        "ext_max_request_bytes": 0,
        "ext_request_log": "",
        "ext_slow_request_ms": 0,
        "ext_log_texts": False,
        "ext_status_page": False,
        "ext_max_batch_tokens": 0,
        "ext_batch_length_buckets": "16,32,64,128,256,512",
    }


def test_every_flag_of_this_servers_own_is_marked_in_the_usage():
    marked = [line.split("=")[0].strip("\t-") for line in flags.usage().splitlines() if line.endswith("(extension)")]
    assert marked == flags.extensions()
    assert [name for name in marked if not name.startswith("ext_")] == ["host", "drain_timeout_seconds"]


@pytest.mark.parametrize(
    "arguments, text",
    [
        (["--port=x"], "Couldn't interpret value x for flag port."),
        (["--enable_model_warmup=maybe"], "Couldn't interpret value maybe for flag enable_model_warmup."),
        (["--platform_config_file=f"], "--platform_config_file is not supported by the embedded server"),
        (["--prefer_tflite_model"], "--prefer_tflite_model is not supported by the embedded server"),
        (["--use_alts_credentials=true"], "--use_alts_credentials is not supported by the embedded server"),
        (["--model_name"], "--model_name needs a value"),
    ],
)
def test_a_flag_that_cannot_be_used_is_told(arguments, text):
    with pytest.raises(flags.BadFlag) as caught:
        flags.parse(arguments)
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize("flag", ["enable_profiler", "flush_filesystem_caches", "prefer_tflite_model"])
def test_a_flag_without_effect_is_noted(flag):
    assert flags.parse([f"--{flag}=false"]).notes == [f"--{flag} has no effect in the embedded server"]


@pytest.mark.parametrize(
    "given, text",
    [
        ({"port": 0}, "server_options.grpc_port is not set."),
        (
            {"model_base_path": ""},
            "Both server_options.model_base_path and server_options.model_config_file are empty!",
        ),
        (
            {"batching_parameters_file": "f"},
            "server_options.batching_parameters_file is set without setting server_options.enable_batching to true.",
        ),
        (
            {f"tensorflow_{kind}_parallelism": 1 for kind in ("session", "intra_op", "inter_op")},
            "Either configure server_options.tensorflow_session_parallelism or "
            "(server_options.tensorflow_intra_op_parallelism, server_options.tensorflow_inter_op_parallelism) "
            "separately. You cannot configure all.",
        ),
        ({"rest_api_port": 8500}, "--port and --rest_api_port are both 8500: they need two ports"),
        ({"rest_api_port": 70000}, "--rest_api_port=70000 is no TCP port: expected 0 to 65535"),
        ({"grpc_max_threads": 0}, "--grpc_max_threads=0: expected at least 1"),
        ({"file_system_poll_wait_seconds": -1}, "--file_system_poll_wait_seconds=-1: expected 0 or more"),
        ({"mixed_precision": "float16"}, "--mixed_precision=float16: expected bfloat16"),
        ({"grpc_channel_arguments": "a"}, "--grpc_channel_arguments: 'a' is not name=value"),
        ({"ext_max_request_bytes": -1}, "--ext_max_request_bytes=-1: expected 0 or more"),
        ({"ext_max_requests_per_second": float("nan")}, "--ext_max_requests_per_second=nan: expected 0 or more"),
        ({"ext_max_batch_tokens": 1}, "--ext_max_batch_tokens is set without --enable_batching"),
    ],
)
def test_flags_that_do_not_fit_together_are_refused(given, text):
    with pytest.raises(ServingError) as caught:
        flags.check(flags.Flags(**{"model_base_path": "/m", **given}))
    assert str(caught.value) == f"INVALID_ARGUMENT: {text}"


def test_flags_that_do_nothing_by_themselves_are_noted():
    alone = flags.Flags(
        enable_per_model_batching_parameters=True,
        monitoring_config_file="f",
        model_config_file_poll_wait_seconds=1,
    )
    assert flags.idle(alone) == [
        "--enable_per_model_batching_parameters has no effect without --enable_batching",
        "--monitoring_config_file has no effect without --rest_api_port",
        "--model_config_file_poll_wait_seconds has no effect without --model_config_file",
    ]
    assert flags.idle(flags.Flags(ssl_config_file="f", rest_api_port=1)) == [
        "--ssl_config_file is for gRPC alone: --rest_api_port takes plain connections"
    ]
    assert flags.idle(flags.Flags()) == []


def test_extensions_that_do_nothing_by_themselves_are_noted():
    alone = flags.Flags(
        ext_request_burst=1,
        ext_log_texts=True,
        ext_status_page=True,
        ext_batch_length_buckets="8",
        ext_auth_token_file="f",
    )
    assert flags.idle(alone) == [
        "--ext_request_burst has no effect without --ext_max_requests_per_second",
        "--ext_log_texts has no effect without --ext_request_log or --ext_slow_request_ms",
        "--ext_status_page has no effect without --rest_api_port",
        "--ext_batch_length_buckets has no effect without --ext_max_batch_tokens",
    ]


@pytest.mark.parametrize(
    "given, over",
    [
        ({"host": "0.0.0.0"}, "gRPC"),
        ({"host": "::", "rest_api_port": 1}, "gRPC and REST"),
        ({"host": "10.0.0.1", "ssl_config_file": "f", "rest_api_port": 1}, "REST"),
        ({"host": "10.0.0.1", "ssl_config_file": "f"}, None),
        ({"host": "127.0.0.2", "rest_api_port": 1}, None),
    ],
)
def test_tokens_that_others_could_read_on_the_way_are_warned_of(given, over):
    notes = [note for note in flags.idle(flags.Flags(ext_auth_token_file="f", **given)) if "token" in note]
    if over is None:
        assert notes == []
    else:
        (note,) = notes
        assert f"tokens travel unencrypted over {over}, and whoever" in note


def test_the_usage_lists_what_has_no_effect_and_what_is_refused_too():
    lines = [line.split()[0] for line in flags.usage().splitlines() if line.startswith("\t--")]
    assert {"--port=8500", "--enable_profiler=true", "--platform_config_file="} <= set(lines)
    assert len(lines) == len(dataclasses.fields(flags.Flags)) + len(flags.IGNORED) + len(flags.REFUSED)


def test_a_unix_socket_is_enough_to_listen_on():
    flags.check(flags.Flags(model_base_path="/m", port=0, grpc_socket_path="/s"))
