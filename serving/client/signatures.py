"""A model's signatures as the client sees them, and inputs made to fit them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np

from serving import tensors
from serving.client.errors import InvalidInput, SignatureNotFound
from serving.protos import get_model_metadata_pb2, types_pb2

DEFAULT = "serving_default"
_INTERNAL = "__saved_model_init_op"
# The codes that the server would have answered.
_BAD = grpc.StatusCode.INVALID_ARGUMENT
_NO_SIGNATURE = grpc.StatusCode.FAILED_PRECONDITION


@dataclass(frozen=True)
class TensorSpec:
    """dtype as TensorFlow names it ("int32", "string"); shape with None for what is open, None for any rank."""

    dtype: str
    shape: tuple[int | None, ...] | None
    number: int  # of the dtype, in types.proto

    @property
    def is_text(self) -> bool:
        return self.number == types_pb2.DT_STRING

    def __str__(self) -> str:
        sizes = "any shape" if self.shape is None else "[" + ", ".join(str(s or "any") for s in self.shape) + "]"
        return f"{self.dtype} {sizes}"


@dataclass(frozen=True)
class Signature:
    name: str
    method: str
    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]
    optional: frozenset[str] = frozenset()  # inputs that have a default in the model

    @property
    def text_inputs(self) -> list[str]:
        return [name for name, spec in self.inputs.items() if spec.is_text]


class Signatures(dict[str, Signature]):
    """Signatures by name, of one version of a model."""

    def __init__(self, found: Mapping[str, Signature], model: str, version: int):
        super().__init__(found)
        self.model = model
        self.version = version


def from_metadata(response: Any) -> Signatures:
    """What a GetModelMetadataResponse says."""
    found = get_model_metadata_pb2.SignatureDefMap()
    response.metadata["signature_def"].Unpack(found)
    by_name = {
        name: Signature(
            name,
            definition.method_name,
            {key: _spec(definition.inputs[key]) for key in sorted(definition.inputs)},
            {key: _spec(definition.outputs[key]) for key in sorted(definition.outputs)},
            frozenset(definition.defaults) if hasattr(definition, "defaults") else frozenset(),
        )
        for name, definition in sorted(found.signature_def.items())
        if name != _INTERNAL
    }
    return Signatures(by_name, response.model_spec.name, response.model_spec.version.value)


def pick(signatures: Mapping[str, Signature], name: str | None, where: str) -> Signature:
    wanted = name or DEFAULT
    if wanted not in signatures:
        has = ", ".join(signatures) or "none"
        raise SignatureNotFound(f"the model has no signature {wanted!r}; it has: {has}", _NO_SIGNATURE, where)
    return signatures[wanted]


def fit(signature: Signature, inputs: Any, where: str) -> dict[str, np.ndarray]:
    """Arrays that the signature takes: by name, of its dtypes, of its rank. Raises InvalidInput with the way out."""
    named = _by_name(signature, inputs, where)
    missing = [name for name in signature.inputs if name not in named and name not in signature.optional]
    extra = [name for name in named if name not in signature.inputs]
    if missing or extra:
        expected = "; ".join(f"{name}: {spec}" for name, spec in signature.inputs.items())
        what = [f"missing input {name!r}" for name in missing] + [f"unknown input {name!r}" for name in extra]
        raise InvalidInput(f"{', '.join(what)}: signature {signature.name!r} expects {expected}", _BAD, where)
    return {name: _fit_one(name, value, signature.inputs[name], where) for name, value in named.items()}


def _by_name(signature: Signature, inputs: Any, where: str) -> Mapping[str, Any]:
    if isinstance(inputs, Mapping):
        return inputs
    if len(signature.inputs) == 1:
        return {next(iter(signature.inputs)): inputs}
    names = ", ".join(signature.inputs)
    raise InvalidInput(f"signature {signature.name!r} has the inputs {names}: pass a dict with these keys", _BAD, where)


def _fit_one(name: str, value: Any, spec: TensorSpec, where: str) -> np.ndarray:
    try:
        array = _text_array(value) if spec.is_text else _number_array(value, spec)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInput(f"input {name!r} must be {spec}: {error}", _BAD, where) from None
    if spec.shape is None:
        return array
    if array.ndim == 0 and len(spec.shape) == 1:
        array = array.reshape(1)  # one text is a batch of one
    if array.ndim != len(spec.shape) or any(w not in (None, s) for w, s in zip(spec.shape, array.shape)):
        raise InvalidInput(f"input {name!r} must be {spec}, got shape {list(array.shape)}", _BAD, where)
    return array


def _text_array(value: Any) -> np.ndarray:
    array = tensors.as_array(value)
    if array.dtype.kind not in "OSU":
        if not array.size:
            return array.astype(object)
        raise TypeError(f"got {array.dtype}")
    for element in array.ravel():
        if not isinstance(element, (str, bytes)):
            raise TypeError(f"got {type(element).__name__} {element!r:.40}")
    return array


def _number_array(value: Any, spec: TensorSpec) -> np.ndarray:
    target = tensors.numpy_dtype(spec.number)
    array = np.asarray(value)
    if array.dtype == target:
        return array
    if array.dtype.kind in "OSU":
        is_text = array.size and isinstance(array.ravel()[0], (str, bytes))
        raise TypeError("got text" if is_text else "rows differ in length")
    if not array.size or np.can_cast(array.dtype, target, "safe"):
        return array.astype(target)
    if target.kind in "iu" and array.dtype.kind in "iu":
        fitting = array.astype(target)
        if not np.array_equal(fitting, array):
            raise ValueError(f"{array.max() if array.max() > np.iinfo(target).max else array.min()} does not fit")
        return fitting
    if target.kind in "fV" and array.dtype.kind in "iuf":  # V: bfloat16
        return array.astype(target)
    raise TypeError(f"got {array.dtype}, which does not convert without loss")


def _spec(info: Any) -> TensorSpec:
    unknown = info.tensor_shape.unknown_rank
    shape = None if unknown else tuple(d.size if d.size >= 0 else None for d in info.tensor_shape.dim)
    return TensorSpec(tensors.dtype_name(info.dtype), shape, info.dtype)
