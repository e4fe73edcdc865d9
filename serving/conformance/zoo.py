"""Small SavedModels: one with many signatures, one that says which version it is. Runs with TensorFlow alone.

python -m serving.conformance.zoo zoo FOLDER       python -m serving.conformance.zoo version FOLDER NUMBER
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf  # noqa: E402 - reads the variable above

LABELS = ["neg", "pos"]


class Zoo(tf.Module):
    """Functions that are each one signature."""

    def __init__(self):
        super().__init__()
        self.a = tf.Variable(0.5)
        self.b = tf.Variable(2.0)
        self.matrix = tf.Variable([[1.0, 0.0, 2.0], [0.0, 1.0, 3.0]])
        words = tf.lookup.KeyValueTensorInitializer(["good", "bad"], [1, -1])
        self.words = tf.lookup.StaticHashTable(words, 0)

    def half_plus_two(self, x):
        return {"y": self.a * x + self.b}

    def two(self, x, k):
        return {"total": x + tf.cast(k, tf.float32), "double_k": 2 * k}

    def kinds(self, x):
        n = tf.shape(x)[0]
        return {
            "f64": tf.cast(x, tf.float64),
            "i64": tf.cast(x, tf.int64),
            "u8": tf.cast(x, tf.uint8),
            "flag": x > 0.0,
            "text": tf.strings.as_string(x, precision=1),
            "raw_bytes": tf.repeat(tf.constant([b"\x00\xff"]), n),
        }

    def half(self, x):
        return {"half": tf.cast(x, tf.float16)}

    def matmul(self, x):
        return {"y": tf.linalg.matmul(x, self.matrix)}

    def scalar(self, x):
        return {"total": tf.reduce_sum(x)}

    def slow(self, seconds):
        """Takes about as long as it is told, in steps that a deadline can end."""
        until = tf.timestamp() + tf.cast(seconds[0], tf.float64)
        steps = tf.while_loop(lambda i: tf.timestamp() < until, lambda i: (_work(i),), (0.0,))[0]
        return {"y": tf.reshape(0.0 * steps + seconds[0], [1])}

    def sentiment(self, text):
        words = tf.strings.split(tf.strings.lower(text))
        score = tf.cast(tf.reduce_sum(self.words.lookup(words), axis=1), tf.float32)
        positive = tf.clip_by_value(0.5 + 0.25 * score, 0.0, 1.0)
        scores = tf.stack([1.0 - positive, positive], axis=1)
        best = tf.argmax(scores, axis=1)
        return {
            "label": tf.gather(LABELS, best),
            "score": tf.reduce_max(scores, axis=1),
            "classes": tf.tile([LABELS], [tf.shape(text)[0], 1]),
            "scores": scores,
        }

    def same(self, text, text_pair):
        return {"same": text == text_pair}

    def asked(self, question, context):
        return {"asked": tf.strings.join([question, context], separator=" | ")}

    def text_ops(self, text):
        import tensorflow_text

        return {"folded": tensorflow_text.normalize_utf8(tensorflow_text.case_fold_utf8(text), "NFD")}

    def classify(self, inputs):
        value = _feature(inputs)
        classes = tf.tile([LABELS], [tf.shape(inputs)[0], 1])
        return {"classes": classes, "scores": tf.stack([1.0 - value, value], axis=1)}

    def classify_scores(self, inputs):
        return {"scores": self.classify(inputs)["scores"]}

    def classify_classes(self, inputs):
        return {"classes": self.classify(inputs)["classes"]}

    def classify_three_outputs(self, inputs):
        return {**self.classify(inputs), "more": _feature(inputs)}

    def classify_other_names(self, inputs):
        return {"labels": self.classify(inputs)["classes"]}

    def classify_flat(self, inputs):
        return {"scores": _feature(inputs)}

    def classify_int_scores(self, inputs):
        return {"scores": tf.cast(self.classify(inputs)["scores"], tf.int32)}

    def classify_one_row(self, inputs):
        return {"scores": self.classify(inputs)["scores"][:1]}

    def regress(self, inputs):
        return {"outputs": 2.0 * _feature(inputs)}

    def regress_column(self, inputs):
        return {"outputs": tf.expand_dims(2.0 * _feature(inputs), 1)}

    def regress_wide(self, inputs):
        return {"outputs": self.classify(inputs)["scores"]}

    def regress_other_name(self, inputs):
        return {"value": _feature(inputs)}

    def regress_two_outputs(self, inputs):
        return {"outputs": _feature(inputs), "more": _feature(inputs)}


def save_zoo(path: str) -> None:
    zoo = Zoo()
    floats = tf.TensorSpec([None], tf.float32, name="x")
    arguments = {
        "half_plus_two": [floats],
        "two": [floats, tf.TensorSpec([None], tf.int32, name="k")],
        "kinds": [floats],
        "half": [floats],
        "matmul": [tf.TensorSpec([None, 2], tf.float32, name="x")],
        "scalar": [floats],
        "slow": [tf.TensorSpec([None], tf.float32, name="seconds")],
        "sentiment": [_strings("text")],
        "same": [_strings("text"), _strings("text_pair")],
        "asked": [_strings("question"), _strings("context")],
        "text_ops": [_strings("text")],
    }
    others = [n for n in vars(Zoo) if n.startswith(("classify", "regress"))]
    arguments |= {name: [_strings("inputs")] for name in others}
    signatures = {name: tf.function(getattr(zoo, name), input_signature=spec) for name, spec in arguments.items()}
    signatures["serving_default"] = signatures["half_plus_two"]
    tf.saved_model.save(zoo, path, signatures=signatures)


def save_sentiment(path: str) -> None:
    """A model whose `serving_default` takes text, as those of this project do."""
    zoo = Zoo()
    tf.saved_model.save(zoo, path, signatures=tf.function(zoo.sentiment, input_signature=[_strings("text")]))


def save_version(path: str, number: int) -> None:
    """A model whose answer is x + `number`."""

    class Version(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
        def __call__(self, x):
            return {"y": x + float(number)}

    model = Version()
    tf.saved_model.save(model, path, signatures=model.__call__)


def _strings(name: str) -> tf.TensorSpec:
    return tf.TensorSpec([None], tf.string, name=name)


def _feature(serialized):
    return tf.io.parse_example(serialized, {"x": tf.io.FixedLenFeature([], tf.float32, 0.25)})["x"]


def _work(i):
    return i + tf.reduce_sum(tf.linalg.matmul(tf.fill([64, 64], i), tf.ones([64, 64]))) * 0.0 + 1.0


if __name__ == "__main__":
    if sys.argv[1] == "zoo":
        save_zoo(sys.argv[2])
    else:
        save_version(sys.argv[2], int(sys.argv[3]))
