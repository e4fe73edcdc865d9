"""A client for TensorFlow Serving's gRPC API: text or arrays in, named arrays out. Runs no TensorFlow.

    from serving.client import Client

    with Client("localhost:8500", model="reviews") as client:
        answer = client.predict(["a fine film", "two hours too long"])
        answer["label"], answer["score"], answer.version

`AsyncClient` has the same calls for asyncio, `RestClient` for a server's REST port; their `predict_many` keeps several
requests under way. `query` gives one plain dict per text. Errors are typed: see `serving.client.errors`.
"""

from serving.client.answers import Answer, VersionStatus
from serving.client.async_client import AsyncClient
from serving.client.client import Client
from serving.client.connection import TLS, Connection
from serving.client.errors import (
    AccessDenied,
    InvalidInput,
    MessageTooLarge,
    ModelNotFound,
    ServerBusy,
    ServerFailed,
    ServingError,
    SignatureNotFound,
    Timeout,
    Unavailable,
)
from serving.client.load import LoadReport, load_test
from serving.client.models import ServedModel, read_config
from serving.client.query import query
from serving.client.rest import RestClient
from serving.client.signatures import Signature, Signatures, TensorSpec

__all__ = [
    "AccessDenied",
    "Answer",
    "AsyncClient",
    "Client",
    "Connection",
    "InvalidInput",
    "LoadReport",
    "MessageTooLarge",
    "ModelNotFound",
    "RestClient",
    "ServedModel",
    "ServerBusy",
    "ServerFailed",
    "ServingError",
    "Signature",
    "SignatureNotFound",
    "Signatures",
    "TLS",
    "TensorSpec",
    "Timeout",
    "Unavailable",
    "VersionStatus",
    "load_test",
    "query",
    "read_config",
]
