"""Which releases of TensorFlow Serving have every op of a SavedModel."""

import pytest
import tensorflow as tf
import tensorflow_text as tf_text

from bert_keras.errors import BadInput, WorkFailed
from bert_keras.export.server_ops import ATTRIBUTES_SINCE, OPS_SINCE, TEXT_OPS
from bert_keras.export.serving_ops import Verdict, ops_of, parse_release, require_serving, verdicts


@pytest.fixture(scope="module")
def trimming(tmp_path_factory):
    """A SavedModel with ops that servers before 2.20 have not, within a function of a function."""

    class Trims(tf.Module):
        @tf.function
        def inner(self, text):
            rows = tf.strings.split(text)
            trimmed = tf_text.RoundRobinTrimmer(4).trim([rows, rows])[0].to_tensor()
            return {"trimmed": trimmed, "bits": tf_text.utf8_binarize(text)}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def trim(self, text):
            return self.inner(text)

    module = Trims()
    path = tmp_path_factory.mktemp("trimming")
    tf.saved_model.save(module, str(path), signatures=module.trim)
    return path


def test_every_server_loads_an_exported_model(exported):
    assert verdicts(exported) == [Verdict("2.12", "2.20", ())]
    assert str(verdicts(exported)[0]) == "loads in TensorFlow Serving 2.12-2.20: yes"
    require_serving(exported, "2.12")


def test_the_ops_of_functions_are_counted_too(exported):
    assert {"FusedBatchNormV3", "ParseExampleV2", "FastWordpieceTokenizeWithOffsets"} <= ops_of(exported)


def test_an_op_that_servers_lack_is_told_with_the_servers(trimming):
    before, since = verdicts(trimming)
    assert before == Verdict("2.12", "2.19", ("TFText>RoundRobinTrim", "TFText>Utf8Binarize")) and not before.loads
    assert since == Verdict("2.20", "2.20", ()) and since.loads
    assert str(before) == (
        "loads in TensorFlow Serving 2.12-2.19: no: TFText>RoundRobinTrim, TFText>Utf8Binarize are not linked there"
    )


def test_a_server_that_is_required_must_have_every_op(trimming):
    require_serving(trimming, "2.20.0")
    with pytest.raises(WorkFailed, match="Serving 2.16 does not load .* TFText>RoundRobinTrim.* a server from 2.20 on"):
        require_serving(trimming, "2.16")


def test_variables_of_a_later_tensorflow_need_a_later_server(classifier, tmp_path):
    classifier.export(tmp_path / "1", freeze=False)
    assert verdicts(tmp_path / "1") == [
        Verdict("2.12", "2.14", ("VarHandleOp.debug_name",)),
        Verdict("2.15", "2.20", ()),
    ]
    with pytest.raises(WorkFailed, match="VarHandleOp.debug_name is not linked there; take frozen weights or"):
        require_serving(tmp_path / "1", "2.12")


def test_an_op_of_another_library_is_in_no_server(tmp_path):
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel()
    graph = saved.meta_graphs.add().graph_def
    graph.node.add(name="a", op="Placeholder")
    graph.library.function.add().node_def.add(name="b", op="Addons>Gelu")
    (tmp_path / "saved_model.pb").write_bytes(saved.SerializeToString())
    assert verdicts(tmp_path) == [Verdict("2.12", "2.20", ("Addons>Gelu",))]
    with pytest.raises(WorkFailed, match="a server built with these ops"):
        require_serving(tmp_path, "2.20")


@pytest.mark.parametrize("release", ["2.11", "2.21", "3", "", "latest"])
def test_a_release_of_which_nothing_is_known_is_refused(release):
    with pytest.raises(BadInput, match="expected a release from 2.12 to 2.20"):
        parse_release(release)


def test_a_directory_without_a_model_is_refused(tmp_path):
    with pytest.raises(BadInput, match="saved_model.pb cannot be read"):
        verdicts(tmp_path)


def test_what_is_listed_by_release_is_there_under_that_name():
    """Ops and attributes that the installed TensorFlow has by its own release, and the ops of its TensorFlow Text."""
    from tensorflow.python.framework import op_def_registry

    installed = tuple(map(int, tf.__version__.split(".")[:2]))
    for op in [*TEXT_OPS, *(op for op, since in OPS_SINCE.items() if since <= installed)]:
        assert op_def_registry.get(op) is not None, op
    for (op, name), since in ATTRIBUTES_SINCE.items():
        known = {attribute.name for attribute in op_def_registry.get(op).attr}
        assert (name in known) == (since <= installed), (op, name)
