"""Every op of an exported model is one that TensorFlow Serving has."""

import tensorflow as tf
import tensorflow_text as tf_text

from bert_keras.export.serving_ops import ops_not_served, ops_of


def test_a_server_has_every_op_of_an_exported_model(exported):
    assert ops_not_served(exported) == []


def test_the_ops_of_functions_are_counted_too(exported):
    assert {"FusedBatchNormV3", "ParseExampleV2", "FastWordpieceTokenizeWithOffsets"} <= ops_of(exported)


def test_an_op_that_servers_lack_is_found(tmp_path):
    class Trims(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def trim(self, text):
            rows = tf.strings.split(text)
            return tf_text.RoundRobinTrimmer(4).trim([rows, rows])[0].to_tensor()

    module = Trims()
    tf.saved_model.save(module, str(tmp_path), signatures=module.trim)
    assert ops_not_served(tmp_path) == ["TFText>RoundRobinTrim"]
