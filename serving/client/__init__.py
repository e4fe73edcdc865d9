"""A client for TensorFlow Serving's gRPC API: text or arrays in, named arrays out. Runs no TensorFlow.

    from serving.client import Client

    with Client("localhost:8500", model="reviews") as client:
        answer = client.predict(["a fine film", "two hours too long"])
        answer["label"], answer["score"], answer.version

`query` gives one plain dict per text. Errors are typed: see `serving.client.errors`.
"""

from serving.client.client import Answer, Client, VersionStatus
from serving.client.errors import (
    InvalidInput,
    ModelNotFound,
    ServerBusy,
    ServerFailed,
    ServingError,
    SignatureNotFound,
    Timeout,
    Unavailable,
)
from serving.client.query import query
from serving.client.signatures import Signature, TensorSpec

__all__ = [
    "Answer",
    "Client",
    "InvalidInput",
    "ModelNotFound",
    "ServerBusy",
    "ServerFailed",
    "ServingError",
    "Signature",
    "SignatureNotFound",
    "TensorSpec",
    "Timeout",
    "Unavailable",
    "VersionStatus",
    "query",
]
