"""Messages that the pip package tensorflow-serving-api lacks: the same full names, fields and numbers as the originals.

They live in a pool of their own, so that a process which imports the originals from elsewhere does not meet two
definitions of one name.
"""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2

_Field = descriptor_pb2.FieldDescriptorProto
_SERVING = "tensorflow.serving"
_INT64, _BOOL, _STRING = (f".google.protobuf.{name}Value" for name in ("Int64", "Bool", "String"))
_STATUS = ".grpc.health.v1.HealthCheckResponse.ServingStatus"

_pool = descriptor_pool.DescriptorPool()
_pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)


def _declare(file: str, package: str, messages: dict[str, dict], enums: dict[str, tuple[str, list[str]]] | None = None):
    """Adds a file with `messages`: fields by name, each (number, type name or scalar kind[, repeated])."""
    proto = descriptor_pb2.FileDescriptorProto(name=file, package=package, syntax="proto3")
    proto.dependency.append("google/protobuf/wrappers.proto")
    for name, fields in messages.items():
        message = proto.message_type.add(name=name)
        for field_name, (number, kind, *repeated) in fields.items():
            field = message.field.add(name=field_name, number=number)
            field.label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
            if isinstance(kind, int):
                field.type = kind
            else:
                field.type = _Field.TYPE_ENUM if kind == _STATUS else _Field.TYPE_MESSAGE
                field.type_name = kind
        for enum_name, values in (enums or {}).get(name, {}).items():
            enum = message.enum_type.add(name=enum_name)
            for number, value in enumerate(values):
                enum.value.add(name=value, number=number)
    _pool.AddSerializedFile(proto.SerializeToString())
    return [_message_class(_pool.FindMessageTypeByName(f"{package}.{name}")) for name in messages]


def _message_class(descriptor):
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory(_pool).GetPrototype(descriptor)  # protobuf 3


(BatchingParameters,) = _declare(
    "tensorflow_serving/servables/tensorflow/session_bundle_config.proto",
    _SERVING,
    {
        "BatchingParameters": {
            "max_batch_size": (1, _INT64),
            "batch_timeout_micros": (2, _INT64),
            "max_enqueued_batches": (3, _INT64),
            "num_batch_threads": (4, _INT64),
            "thread_pool_name": (5, _STRING),
            "allowed_batch_sizes": (6, _Field.TYPE_INT64, True),
            "pad_variable_length_inputs": (7, _Field.TYPE_BOOL),
            "enable_large_batch_splitting": (8, _BOOL),
            "max_execution_batch_size": (9, _INT64),
        }
    },
)
PrometheusConfig, MonitoringConfig = _declare(
    "tensorflow_serving/config/monitoring_config.proto",
    _SERVING,
    {
        "PrometheusConfig": {"enable": (1, _Field.TYPE_BOOL), "path": (2, _Field.TYPE_STRING)},
        "MonitoringConfig": {"prometheus_config": (1, f".{_SERVING}.PrometheusConfig")},
    },
)
(SSLConfig,) = _declare(
    "tensorflow_serving/config/ssl_config.proto",
    _SERVING,
    {
        "SSLConfig": {
            "server_key": (1, _Field.TYPE_STRING),
            "server_cert": (2, _Field.TYPE_STRING),
            "custom_ca": (3, _Field.TYPE_STRING),
            "client_verify": (4, _Field.TYPE_BOOL),
        }
    },
)
HealthCheckRequest, HealthCheckResponse = _declare(
    "grpc/health/v1/health.proto",
    "grpc.health.v1",
    {"HealthCheckRequest": {"service": (1, _Field.TYPE_STRING)}, "HealthCheckResponse": {"status": (1, _STATUS)}},
    {"HealthCheckResponse": {"ServingStatus": ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"]}},
)
