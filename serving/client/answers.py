"""What comes back from a server."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np

from serving import tensors
from serving.protos import get_model_status_pb2


class Answer(dict[str, Any]):
    """Values by output name, with the model, the version and the signature that gave them.

    The version is None where the server does not say, which REST does not.
    Of `predict` the values are arrays, of `predict_many` one row of each.
    """

    def __init__(self, outputs: Mapping[str, Any], model: str, version: int | None, signature: str):
        super().__init__(outputs)
        self.model = model
        self.version = version
        self.signature = signature


@dataclass(frozen=True)
class VersionStatus:
    """state: START, LOADING, AVAILABLE, UNLOADING or END; the error of a load that was given up."""

    version: int
    state: str
    error_code: str
    error_message: str


def of_predict(response: Any) -> Answer:
    """The answer of a PredictResponse. Strings are str; bytes where the name ends in `_bytes` or they are no UTF-8."""
    values = {name: _readable(name, tensors.from_proto(proto)) for name, proto in response.outputs.items()}
    served = response.model_spec
    version = served.version.value if served.HasField("version") else None
    return Answer(values, served.name, version, served.signature_name)


def of_classify(result: Any) -> list[list[tuple[str, float]]]:
    """For each example its (label, score) pairs, of a ClassificationResult."""
    return [[(one.label, one.score) for one in row.classes] for row in result.classifications]


def of_regress(result: Any) -> np.ndarray:
    """float32 [N], of a RegressionResult."""
    return np.array([one.value for one in result.regressions], np.float32)


def of_status(response: Any) -> list[VersionStatus]:
    state_name = get_model_status_pb2.ModelVersionStatus.State.Name
    codes = {code.value[0]: code.name for code in grpc.StatusCode}
    return [
        VersionStatus(one.version, state_name(one.state), codes[one.status.error_code], one.status.error_message)
        for one in response.model_version_status
    ]


def _readable(name: str, array: np.ndarray) -> np.ndarray:
    if array.dtype != object or name.endswith("_bytes"):
        return array
    out = np.empty(array.shape, object)
    out.ravel()[:] = [_text(value) for value in array.ravel()]
    return out


def _text(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value
