"""Texts in, one plain answer per text out: what a command line wants."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from serving.client.client import Client
from serving.client.connection import TLS
from serving.client.errors import InvalidInput
from serving.client.signatures import pick

_BATCH = 64
_COUNT = "_count"


def query(
    target: str,
    model: str,
    texts: Sequence[str],
    text_pairs: Sequence[str] | None = None,
    *,
    second: str | None = None,
    version: int | None = None,
    label: str | None = None,
    signature: str | None = None,
    timeout: float = 30.0,
    tls: TLS | None = None,
    token: str | None = None,
    token_without_tls: bool = False,
) -> list[dict[str, Any]]:
    """One JSON-able dict per text, made of the model's named outputs and nothing else.

    An output with one row per text is cut by rows; any other output is given whole to every text. Outputs `x_count`
    (how many things a text has) and `x_…` (arrays of them, filled up) become one list of objects `x`.

    Args:
        target: "host:port" of the server.
        texts, text_pairs: texts, and second texts for a model that takes two.
        second: name of the input that takes the second texts; None = the one whose name ends in "pair".
        version, label, signature, timeout, tls, token, token_without_tls: as of `Client`.

    Raises a `serving.client.ServingError` of a fitting type.
    """
    if second is not None and text_pairs is None:
        raise InvalidInput(f"second is {second!r}, but there are no second texts: give some, or leave it out")
    answers: list[dict[str, Any]] = []
    security = {"tls": tls, "token": token, "token_without_tls": token_without_tls}
    with Client(target, model, version, label, signature, timeout, **security) as client:
        names = _input_names(client, text_pairs is not None, second)
        if text_pairs is not None and len(text_pairs) != len(texts):
            raise InvalidInput(f"{len(texts)} texts but {len(text_pairs)} second texts: expected one for each")
        columns = [list(texts)] + ([list(text_pairs)] if text_pairs is not None else [])
        for start in range(0, len(texts), _BATCH):
            batch = {name: column[start : start + _BATCH] for name, column in zip(names, columns)}
            answers += _rows(client.predict(batch), len(batch[names[0]]))
    return answers


def _input_names(client: Client, pairs: bool, second: str | None) -> list[str]:
    """The text inputs in the order (text, second text)."""
    found = pick(client.metadata(), client.signature, f"server {client.target}, model {client.model}")
    names = sorted(found.text_inputs, key=lambda name: (name == second or name.endswith("pair"), name))
    if pairs and len(names) == 2 and not (names[1] == second or (second is None and names[1].endswith("pair"))):
        raise InvalidInput(
            f"model {client.model} reads {names[0]!r} and {names[1]!r}: say which of them the second texts are, with "
            f"second=NAME (on the command line --second NAME)"
        )
    required = [name for name in found.inputs if name not in found.optional]
    wanted = 2 if pairs else 1
    if len(names) < wanted or not set(required) <= set(names[:wanted]):
        expected = "; ".join(f"{name}: {spec}" for name, spec in found.inputs.items())
        given = "pairs of texts" if pairs else "single texts"
        raise InvalidInput(
            f"signature {found.name!r} of model {client.model} does not take {given}; it expects {expected}"
        )
    return names[:wanted]


def _rows(outputs: Mapping[str, np.ndarray], count: int) -> list[dict[str, Any]]:
    plain = {name: (array.ndim > 0 and len(array) == count, _plain(array)) for name, array in outputs.items()}
    return [
        _gathered({name: value[row] if per_row else value for name, (per_row, value) in sorted(plain.items())})
        for row in range(count)
    ]


def _gathered(answer: dict[str, Any]) -> dict[str, Any]:
    """Arrays that stand beside a count as a list of objects; everything else as it is."""
    counts = {name.removesuffix(_COUNT): value for name, value in answer.items() if name.endswith(_COUNT)}
    for things, count in counts.items():
        fields = [name for name in answer if name.startswith(f"{things}_") and isinstance(answer[name], list)]
        if isinstance(count, int) and fields and all(len(answer[name]) >= count for name in fields):
            short = {name: name.removeprefix(f"{things}_") for name in fields}
            listed = [{short[name]: answer[name][place] for name in fields} for place in range(count)]
            answer = {name: value for name, value in answer.items() if name not in (*fields, things + _COUNT)}
            answer[things] = listed
    return answer


def _plain(array: np.ndarray) -> Any:
    if array.dtype == object:
        return _each(_as_text, array)
    elif array.dtype.kind not in "biuf":
        array = array.astype(np.float32)
    if array.dtype == np.float32:
        # Digits that float32 does not have are noise: 0.98, not 0.9800000190734863.
        return _each(lambda value: float(str(value)), array)
    return array.tolist()


def _each(function: Callable[[Any], Any], array: np.ndarray) -> Any:
    """Nested lists of the function's values; a plain value for an array without dimensions."""
    values = np.empty(array.size, object)
    values[:] = [function(value) for value in array.ravel()]
    return values.reshape(array.shape).tolist()


def _as_text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
