"""Which ops a SavedModel needs, and which releases of TensorFlow Serving have them."""

import os
import re
from typing import NamedTuple

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from bert_keras.errors import BadInput, WorkFailed
from bert_keras.export.server_ops import ATTRIBUTES_SINCE, FOREST_OPS, OPS_SINCE, RELEASES, TEXT_OPS

_NEVER = (99, 0)


class Verdict(NamedTuple):
    """What releases of TensorFlow Serving that follow one another make of a SavedModel.

    Attributes:
        first, last: str. The releases, such as "2.12" and "2.19".
        lacking: tuple of str. What the graph has that these servers lack: ops, or attributes as `OP.ATTRIBUTE`; without
            any of it they load the model.
    """

    first: str
    last: str
    lacking: tuple[str, ...]

    @property
    def loads(self) -> bool:
        """Whether these servers load the model."""
        return not self.lacking

    def __str__(self):
        releases = self.first if self.first == self.last else f"{self.first}-{self.last}"
        if self.loads:
            return f"loads in TensorFlow Serving {releases}: yes"
        are = "is" if len(self.lacking) == 1 else "are"
        return f"loads in TensorFlow Serving {releases}: no: {', '.join(self.lacking)} {are} not linked there"


def verdicts(path):
    """What TensorFlow Serving 2.12 to 2.20 make of the ops of the SavedModel directory `path`.

    Says nothing of what a server does with a model that it has loaded, nor of servers with ops added to them.

    Returns:
        List of `Verdict`, releases in order, those that say the same in one.

    Raises:
        BadInput: there is no SavedModel.
    """
    since = {name: first for name, first in _needs(path).items() if first > RELEASES[0]}
    found = []
    for release in RELEASES:
        lacking = tuple(sorted(name for name, first in since.items() if first > release))
        shown = ".".join(map(str, release))
        if found and found[-1].lacking == lacking:
            found[-1] = found[-1]._replace(last=shown)
        else:
            found.append(Verdict(shown, shown, lacking))
    return found


def parse_release(text):
    """The release that a text like "2.12" or "2.12.1" names, as a tuple.

    Raises:
        BadInput: it names none of those that are known.
    """
    found = re.fullmatch(r"(\d+)\.(\d+)(\.\d+)?", str(text))
    release = found and (int(found[1]), int(found[2]))
    if release not in RELEASES:
        first, last = (".".join(map(str, end)) for end in (RELEASES[0], RELEASES[-1]))
        raise BadInput(
            f"There is nothing known of TensorFlow Serving {text}; expected a release from {first} to {last}."
        )
    return release


def require_serving(path, release):
    """Raises `WorkFailed` where TensorFlow Serving of this release does not load the SavedModel `path`.

    Args:
        path: a SavedModel directory.
        release: str such as "2.12".

    Raises:
        BadInput: there is no such release, or no SavedModel.
    """
    wanted = parse_release(release)
    lacking = sorted(name for name, first in _needs(path).items() if first > wanted)
    if not lacking:
        return
    are, ways = ("is", []) if len(lacking) == 1 else ("are", [])
    if any(name.split(".")[0] in TEXT_OPS or name.startswith("TFText>") for name in lacking):
        ways.append("tokenizer ops `core`")
    if any("." in name for name in lacking):
        ways.append("frozen weights")
    able = [verdict for verdict in verdicts(path) if verdict.loads]
    ways.append(f"a server from {able[0].first} on" if able else "a server built with these ops")
    raise WorkFailed(
        f"TensorFlow Serving {release} does not load this model: {', '.join(lacking)} {are} not linked there; take "
        f"{' or '.join(ways)}."
    )


def ops_of(path):
    """Set of the names of all ops in the SavedModel directory `path`, its functions' included. Raises `BadInput`."""
    return {node.op for node in _nodes(path)}


def _needs(path):
    """Dict of op, or `OP.ATTRIBUTE`, to the first release that has it."""
    needs = {}
    for node in _nodes(path):
        if node.op not in needs:
            needs[node.op] = _first_release(node.op)
        for name in node.attr:
            if (node.op, name) in ATTRIBUTES_SINCE:
                needs[f"{node.op}.{name}"] = ATTRIBUTES_SINCE[node.op, name]
    return needs


def _first_release(op):
    if op in OPS_SINCE:
        return OPS_SINCE[op]
    # What this TensorFlow has and is no later addition, the first of the releases has too.
    known = op in TEXT_OPS or op in FOREST_OPS or hasattr(tf.raw_ops, op)
    return RELEASES[0] if known else _NEVER


def _nodes(path):
    file = os.path.join(path, "saved_model.pb")
    try:
        with open(file, "rb") as opened:
            saved = saved_model_pb2.SavedModel.FromString(opened.read())
    except OSError as error:
        raise BadInput(f"{file} cannot be read ({error.strerror}); expected a SavedModel directory.") from error
    for meta_graph in saved.meta_graphs:
        yield from meta_graph.graph_def.node
        for function in meta_graph.graph_def.library.function:
            yield from function.node_def
