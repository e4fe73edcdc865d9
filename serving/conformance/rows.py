"""The rows of the contract, by section: what TensorFlow Serving was read to do, and in which of its sources.

Every row has a case (or several: `1.5/message:empty-document`), or stands in UNOBSERVABLE with the reason why a program
outside of the server cannot see it. Sources are files of github.com/tensorflow/serving, release 2.16, below
`tensorflow_serving/`; "TF" is github.com/tensorflow/tensorflow.
"""

SECTIONS = {
    "1": "Services",
    "1.1": "Finding the model",
    "1.2": "Predict",
    "1.3": "Classify, Regress, MultiInference",
    "1.4": "Metadata, status, reload",
    "1.5": "REST",
    "1.6": "Batching",
    "1.7": "Versions, lives, warm-up",
    "1.8": "Flags, TLS, health, limits",
}

_CORE = "model_servers/server_core.cc"
_PREDICT = "servables/tensorflow/predict_util.cc"
_CLASSIFY = "servables/tensorflow/classifier.cc"
_REGRESS = "servables/tensorflow/regressor.cc"
_MULTI = "servables/tensorflow/multi_inference.cc"
_METADATA = "servables/tensorflow/get_model_metadata_impl.cc"
_STATUS = "model_servers/get_model_status_impl.cc"
_REST = "model_servers/http_rest_api_handler.cc"
_HTTP = "model_servers/http_server.cc"
_JSON = "util/json_tensor.cc"
_METRICS = "servables/tensorflow/util.cc, model_servers/prometheus_exporter (util/prometheus_exporter.cc)"
_BATCHING = "batching/batching_session.cc"
_SCHEDULER = "TF core/kernels/batching_util/shared_batch_scheduler.h"
_STORAGE = "sources/storage_path/file_system_storage_path_source.cc"
_MANAGER = "core/aspired_versions_manager.cc"
_WARMUP = "servables/tensorflow/saved_model_warmup_util.cc"
_MAIN = "model_servers/main.cc"
_SERVER = "model_servers/server.cc"

ROWS = {
    "1/services": "apis/prediction_service.proto, apis/model_service.proto",
    "1/no-other-services": _SERVER,
    "1/long-message": "model_servers/grpc_status_util.cc",
    # === Finding the model ===
    "1.1/missing-model-spec": "servables/tensorflow/predict_impl.cc, classification_service.cc, regression_service.cc",
    "1.1/empty-name": _CORE,
    "1.1/unknown-model": "core/basic_manager.cc, core/manager.h",
    "1.1/unknown-version": "core/basic_manager.cc, core/manager.h",
    "1.1/version-0": f"{_CORE} ServableRequestFromModelSpec",
    "1.1/unknown-label": _CORE,
    "1.1/latest": _CORE,
    "1.1/label": _CORE,
    "1.1/response-model-spec": "servables/tensorflow/util.cc MakeModelSpec",
    # === Predict ===
    "1.2/unknown-signature": _PREDICT,
    "1.2/number-of-inputs": _PREDICT,
    "1.2/wrong-input-name": "TF cc/saved_model/util.cc",
    "1.2/tensor-does-not-parse": _PREDICT,
    "1.2/unknown-output": _PREDICT,
    "1.2/duplicate-output": _PREDICT,
    "1.2/wrong-dtype": "TF core/common_runtime/direct_session.cc",
    "1.2/wrong-shape": "TF core/kernels/matmul_op_impl.h",
    "1.2/declared-shapes-are-not-checked": _PREDICT,
    "1.2/deadline": "TF core/common_runtime/direct_session.cc",
    "1.2/method-name": "servables/tensorflow/predict_util.cc VerifySignature",
    "1.2/defaults": _PREDICT,
    "1.2/last-value-repeats": "TF core/framework/tensor.cc Tensor::FromProto",
    "1.2/all-outputs": _PREDICT,
    "1.2/only-fetched-outputs-are-computed": _PREDICT,
    "1.2/typed-fields": _PREDICT,
    "1.2/tensor-content": _PREDICT,
    # === Classify, Regress, MultiInference ===
    "1.3/examples-with-context": "servables/tensorflow/util.cc InputToSerializedExampleTensor",
    "1.3/unknown-signature": "servables/tensorflow/util.cc, regressor.cc",
    "1.3/no-examples": "servables/tensorflow/util.cc",
    "1.3/one-input": f"{_CLASSIFY}, {_REGRESS}",
    "1.3/classify-number-of-outputs": _CLASSIFY,
    "1.3/classify-names": _CLASSIFY,
    "1.3/classify-tensors": _CLASSIFY,
    "1.3/classify-answer": _CLASSIFY,
    "1.3/label-is-empty-without-classes": _CLASSIFY,
    "1.3/regress-names": _REGRESS,
    "1.3/regress-rank": _REGRESS,
    "1.3/regress-answer": _REGRESS,
    "1.3/bad-example": "TF core/util/example_proto_fast_parsing.cc",
    "1.3/multi-names": _MULTI,
    "1.3/multi-signatures": _MULTI,
    "1.3/multi-other-method": _MULTI,
    "1.3/multi-one-run": _MULTI,
    # === Metadata, status, reload ===
    "1.4/metadata-fields": _METADATA,
    "1.4/metadata": _METADATA,
    "1.4/status-unknown-model": _STATUS,
    "1.4/status-unknown-version": _STATUS,
    "1.4/status": _STATUS,
    "1.4/status-states": f"{_STATUS}, apis/get_model_status.proto",
    "1.4/reload-not-a-list": "model_servers/model_service_impl.cc",
    "1.4/reload-duplicate-name": _CORE,
    "1.4/reload-relative-path": _CORE,
    "1.4/reload-platform": _CORE,
    "1.4/reload-label": _CORE,
    "1.4/reload-failing-model": "core/load_servables_fast.cc",
    "1.4/reload": f"{_CORE}, model_servers/model_service_impl.cc",
    # === REST ===
    "1.5/paths": _REST,
    "1.5/other-paths": f"{_REST}, {_HTTP}",
    "1.5/errors": f"{_REST}, util/net_http",
    "1.5/codes": f"{_HTTP} ToHTTPStatusCode",
    "1.5/predict": f"{_REST}, {_JSON}",
    "1.5/binary": _JSON,
    "1.5/numbers-json-lacks": _JSON,
    "1.5/integers": _JSON,
    "1.5/message": f"{_JSON}, util/json_tensor_test.cc",
    "1.5/number-text": _JSON,
    "1.5/layout": _JSON,
    "1.5/status-json": "model_servers/http_rest_api_util.cc",
    "1.5/metadata-json": "model_servers/http_rest_api_util.cc, testdata/half_plus_two_model_metadata.json",
    "1.5/classify-and-regress": f"{_REST}, {_JSON}",
    "1.5/gzip": _HTTP,
    "1.5/cors": _HTTP,
    "1.5/no-tls": _SERVER,
    "1.5/timeout": _HTTP,
    "1.5/no-multi-inference": _REST,
    "1.5/metrics-page": "config/monitoring_config.proto, model_servers/http_server.cc",
    "1.5/metrics": _METRICS,
    "1.5/metrics-batching": _BATCHING,
    # === Batching ===
    "1.6/parameters-file": _SERVER,
    "1.6/parameters-without-the-flag": _SERVER,
    "1.6/parameters-of-a-model": "servables/tensorflow/saved_model_bundle_factory.cc",
    "1.6/defaults": "servables/tensorflow/bundle_factory_util.cc",
    "1.6/together": _BATCHING,
    "1.6/allowed-sizes": _BATCHING,
    "1.6/filled-up-rows": _BATCHING,
    "1.6/one-queue-per-tensors": _BATCHING,
    "1.6/one-thread-pool": "servables/tensorflow/saved_model_bundle_factory.cc",
    "1.6/too-large": _SCHEDULER,
    "1.6/queue-full": _SCHEDULER,
    "1.6/different-shapes": _BATCHING,
    "1.6/padded-shapes": "batching/batching_util.cc PadTensor",
    "1.6/inputs-without-a-batch": _BATCHING,
    "1.6/outputs-without-a-batch": _BATCHING,
    "1.6/deadlines-in-the-queue": _BATCHING,
    # === Versions, lives, warm-up ===
    "1.7/version-names": _STORAGE,
    "1.7/policies": _STORAGE,
    "1.7/polling": _STORAGE,
    "1.7/polling-once": _STORAGE,
    "1.7/load-before-unload": "core/availability_preserving_policy.cc",
    "1.7/old-version-stays": "core/availability_preserving_policy.cc",
    "1.7/load-retries": f"core/loader_harness.cc, {_MANAGER}",
    "1.7/half-copied-version": _STORAGE,
    "1.7/ports-open-when-models-are-there": f"{_SERVER}, {_CORE}",
    "1.7/empty-base-path-waits": f"{_CORE}, {_STORAGE}",
    "1.7/failing-model-stops-the-server": f"{_MAIN}, {_CORE}",
    "1.7/labels-at-the-start": _CORE,
    "1.7/config-polling": _SERVER,
    "1.7/no-config-polling": _SERVER,
    "1.7/config-does-not-parse": f"{_SERVER} ParseProtoTextFile",
    "1.7/warm-up": _WARMUP,
    "1.7/warm-up-model-name": _WARMUP,
    "1.7/warm-up-iterations": _WARMUP,
    "1.7/warm-up-fails": _WARMUP,
    "1.7/warm-up-1000-records": _WARMUP,
    "1.7/warm-up-other-logs": _WARMUP,
    "1.7/no-warm-up": _MAIN,
    # === Flags, TLS, health, limits ===
    "1.8/default": _MAIN,
    "1.8/unknown-argument": f"{_MAIN}, TF core/util/command_line_flags.cc",
    "1.8/version": _MAIN,
    "1.8/booleans": "TF core/util/command_line_flags.cc",
    "1.8/relative-base-path": _CORE,
    "1.8/model-name": _MAIN,
    "1.8/no-rest-port": _SERVER,
    "1.8/unix-socket": _SERVER,
    "1.8/channel-arguments": _SERVER,
    "1.8/saved-model-tags": _MAIN,
    "1.8/large-messages": _SERVER,
    "1.8/client-limit": "gRPC's default grpc.max_receive_message_length",
    "1.8/tls": f"{_SERVER} BuildServerCredentialsFromSSLConfigFile",
    "1.8/mutual-tls": f"{_SERVER} BuildServerCredentialsFromSSLConfigFile",
    "1.8/tls-on-the-unix-socket": _SERVER,
    "1.8/health": _SERVER,
    "1.8/no-health": _SERVER,
    "1.8/no-reflection": _SERVER,
    "1.8/docker": "tools/docker/Dockerfile",
    "1.8/text-ops": f"{_SERVER}, model_servers/BUILD (SUPPORTED_TENSORFLOW_OPS)",
}

UNOBSERVABLE = {
    "1.6/one-thread-pool": "which threads work on a batch shows in no answer",
    "1.8/docker": "the variables MODEL_NAME and MODEL_BASE_PATH are read by the image's start script, not the server",
}

# What a row of several facts says beyond what its cases check, and why that cannot be checked.
PARTLY = {
    "1.2/deadline": "over gRPC the caller's own clock ends the call first; the server's text shows in 1.5/timeout",
    "1.4/status-states": "START (10) is over too soon to be seen",
    "1.5/codes": "no request makes a server give UNAUTHENTICATED, PERMISSION_DENIED, ALREADY_EXISTS, ABORTED or "
    "UNKNOWN over REST: their HTTP codes (401, 403, 409, 409, 500) do not show",
    "1.5/timeout": "that a limit ends a request is seen with 2 s; the default of 30 s is read from the usage",
    "1.6/defaults": "the number of threads shows in no answer; a wait of 0 and a queue of 10 are not told from others",
    "1.7/load-retries": "one try more is seen; five, a minute apart, would take the suite five minutes",
    "1.8/default": "flags that change no answer (threads, XLA, profiler, memory, TensorFlow Lite) are only looked for "
    "in the usage, with their defaults",
}


def section_of(row: str) -> str:
    """ "1.2" of "1.2/unknown-signature"."""
    return row.partition("/")[0]
