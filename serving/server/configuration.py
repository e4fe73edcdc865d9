"""What the flags' files say besides the models: read, and checked, before TensorFlow is imported."""

from dataclasses import dataclass, field

import grpc

from serving.protos import config_pb2
from serving.server import batching_parameters, text_files, tls
from serving.server.batching_parameters import PoolOptions, QueueOptions
from serving.server.extensions import gate, token_budget
from serving.server.extensions.gate import Gate
from serving.server.extensions.token_budget import TokenBudget
from serving.server.flags import Flags
from serving.server.messages import MonitoringConfig

PROMETHEUS_PATH = "/monitoring/prometheus/metrics"


@dataclass(frozen=True)
class Configuration:
    """
    batching: options of each model's batches; None: requests are not put together.
    pool: the threads for them.
    metrics_path: where REST shows the metrics; None: nowhere.
    credentials: TLS for gRPC; None: plain connections.
    session: ConfigProto of every session.
    gate: what stands before every call; None: nothing.
    budget: of the batches, in tokens; None: batches by rows alone.
    """

    batching: QueueOptions | None = None
    pool: PoolOptions = field(default_factory=PoolOptions)
    metrics_path: str | None = None
    credentials: grpc.ServerCredentials | None = None
    session: config_pb2.ConfigProto = field(default_factory=config_pb2.ConfigProto)
    gate: Gate | None = None
    budget: TokenBudget | None = None


def read(flags: Flags) -> Configuration:
    """Raises ServingError, or text_files.NotParsed."""
    pool, batching = PoolOptions(), None
    if flags.enable_batching:
        batching = QueueOptions()
        if flags.batching_parameters_file:
            pool, batching = batching_parameters.read(flags.batching_parameters_file)
    return Configuration(
        batching=batching,
        pool=pool,
        metrics_path=_metrics_path(flags.monitoring_config_file),
        credentials=tls.credentials(flags.ssl_config_file) if flags.ssl_config_file else None,
        session=_session(flags),
        gate=gate.read(flags),
        budget=token_budget.read(flags),
    )


def _metrics_path(path: str) -> str | None:
    if not path:
        return None
    prometheus = text_files.read(path, MonitoringConfig()).prometheus_config
    return (prometheus.path or PROMETHEUS_PATH) if prometheus.enable else None


def _session(flags: Flags) -> config_pb2.ConfigProto:
    config = config_pb2.ConfigProto(allow_soft_placement=True)
    if flags.tensorflow_session_config_file:
        config = text_files.read(flags.tensorflow_session_config_file, config_pb2.ConfigProto())
    within, between = flags.tensorflow_intra_op_parallelism, flags.tensorflow_inter_op_parallelism
    if not within and not between:
        within = between = flags.tensorflow_session_parallelism
    # What the file says stays where a flag is left at its default.
    if within:
        config.intra_op_parallelism_threads = within
    if between:
        config.inter_op_parallelism_threads = between
    if flags.per_process_gpu_memory_fraction:
        config.gpu_options.per_process_gpu_memory_fraction = flags.per_process_gpu_memory_fraction
    if flags.mixed_precision:
        rewrites = config.graph_options.rewrite_options
        rewrites.auto_mixed_precision_onednn_bfloat16 = type(rewrites).ON
    return config
