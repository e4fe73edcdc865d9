"""The server's own files, in protobuf's text format, and its flags."""

import json

from google.protobuf import text_format

from serving.deploy.deployment import CONFIG_FOLDER, GRPC_PORT, MODELS_FOLDER, REST_PORT, TLS_FOLDER, Deployment
from serving.protos import model_server_config_pb2
from serving.server.messages import BatchingParameters, MonitoringConfig, SSLConfig

METRICS_PATH = "/monitoring/prometheus/metrics"


def config_files(deployment: Deployment) -> dict[str, str]:
    """Name -> text of the files that hold no secret."""
    files = {"models.config": models_config(deployment), "monitoring.config": monitoring_config()}
    if deployment.batching:
        files["batching.config"] = batching_config(deployment)
    return files


def flags(deployment: Deployment) -> list[str]:
    """The flags of either server."""
    # By default the servers count the cores of the whole machine, whatever share of it they are given. With batching a
    # call waits in its thread, and there must be enough of them to fill two batches.
    threads = max(4 * deployment.cpus, 2 * deployment.max_batch_size if deployment.batching else 0)
    given = {
        "port": GRPC_PORT,
        "rest_api_port": REST_PORT,
        "model_config_file": f"{CONFIG_FOLDER}/models.config",
        # Labels and version policies change without a restart.
        "model_config_file_poll_wait_seconds": 60,
        "monitoring_config_file": f"{CONFIG_FOLDER}/monitoring.config",
        "enable_grpc_healthcheck_service": "true",
        "tensorflow_intra_op_parallelism": deployment.cpus,
        "tensorflow_inter_op_parallelism": 2,
        "grpc_max_threads": threads,
        "rest_api_num_threads": threads,
    }
    if deployment.batching:
        given |= {"enable_batching": "true", "batching_parameters_file": f"{CONFIG_FOLDER}/batching.config"}
    if deployment.tls:
        given["ssl_config_file"] = f"{TLS_FOLDER}/ssl.config"
    if deployment.embedded:
        given["host"] = "0.0.0.0"
    return [f"--{name}={value}" for name, value in given.items()]


def dockerfile(deployment: Deployment) -> str:
    """TensorFlow Serving's image with the configuration in it; the models are a volume."""
    entry_point = json.dumps(["tensorflow_model_server", *flags(deployment)])
    image, volumes = f"{deployment.object_name}-server:1", f"-v /absolute/path:{MODELS_FOLDER}:ro"
    if deployment.tls:
        volumes += f" -v $PWD/ssl.config:{TLS_FOLDER}/ssl.config:ro"
    return (
        f"# docker build -t {image} . &&\n"
        f"# docker run -p {GRPC_PORT}:{GRPC_PORT} -p {REST_PORT}:{REST_PORT} {volumes} {image}\n"
        f"# where /absolute/path/{deployment.name} holds the versions.\n"
        f"FROM {deployment.image}\n\n"
        f"COPY {' '.join(config_files(deployment))} {CONFIG_FOLDER}/\n\n"
        f"USER 1000:1000\nEXPOSE {GRPC_PORT} {REST_PORT}\n"
        "# The image's own entry point serves one model by its name; this one reads the files.\n"
        f"ENTRYPOINT {entry_point}\n"
    )


def models_config(deployment: Deployment) -> str:
    """The newest version of the model, as the pipeline's Pusher writes them."""
    config = model_server_config_pb2.ModelServerConfig()
    model = config.model_config_list.config.add(
        name=deployment.name, base_path=f"{MODELS_FOLDER}/{deployment.name}", model_platform="tensorflow"
    )
    model.model_version_policy.latest.num_versions = 1
    return _text(
        config,
        "To go back to a version: model_version_policy { specific { versions: 3 } }. For two at a time, by label:",
        "versions: 3 versions: 4 there, and beside it version_labels { key: 'stable' value: 3 }.",
    )


def batching_config(deployment: Deployment) -> str:
    """Requests put together; the numbers are for an encoder on a few cores."""
    parameters = BatchingParameters()
    parameters.max_batch_size.value = deployment.max_batch_size
    parameters.batch_timeout_micros.value = 2000
    parameters.max_enqueued_batches.value = 100
    # Each batch uses all cores that are free; on one or two of them a second one beside it only makes both smaller.
    parameters.num_batch_threads.value = 1 if deployment.cpus <= 2 else 2
    return _text(
        parameters,
        "max_batch_size: rows; a request with more is refused. batch_timeout_micros: what a request waits for others.",
        "max_enqueued_batches: beyond it UNAVAILABLE. Do not set pad_variable_length_inputs: it fills masks with ones.",
    )


def monitoring_config() -> str:
    """Metrics for Prometheus on the REST port."""
    config = MonitoringConfig()
    config.prometheus_config.enable = True
    config.prometheus_config.path = METRICS_PATH
    return _text(config, f"GET http://HOST:{REST_PORT}{METRICS_PATH}")


def ssl_config(key: str, certificate: str, client_ca: str | None = None) -> str:
    """TLS for gRPC, of PEM texts; with `client_ca` a client must show a certificate that it has signed."""
    config = SSLConfig(server_key=key, server_cert=certificate)
    if client_ca:
        config.custom_ca, config.client_verify = client_ca, True
    return _text(config, "Holds the server's private key: keep it out of images and repositories.")


def _text(message, *comment: str) -> str:
    return "".join(f"# {line}\n" for line in comment) + text_format.MessageToString(message)
