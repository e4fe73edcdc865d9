"""The requests that a server runs through a model before it serves it."""

import os
import random

import tensorflow as tf

WARMUP_FILE = os.path.join("assets.extra", "tf_serving_warmup_requests")

# TensorFlow Serving refuses a model with more.
MOST_REQUESTS = 1000

# Words per text when no texts are given: a sentence, a search query, a paragraph. oneDNN lays the weights out for the
# first request: after one of up to 64 tokens, 1x128 takes a quarter more processor time than it could and 8x128 4 %
# more; after a longer one, short texts take nearly twice as much.
_WORDS = (20, 6, 100)


def write_warmup_requests(tasks, directory, texts=None):
    """Writes a request for each signature and text into the SavedModel in `directory`, in order.

    Args:
        tasks: dict of signature to `BertTask`.
        directory: the SavedModel.
        texts: dict of signature to a list of texts, for pairs of tuples of texts. A signature that is missing, or has
            None, gets three of usual lengths, made of the vocabulary. The first 1000 requests are taken.
    """
    requests = []
    for signature, task in tasks.items():
        given = (texts or {}).get(signature)
        for text in _texts_of_vocabulary(task) if given is None else given:
            inputs = dict(zip(task.serving_inputs, (text,) if isinstance(text, str) else text))
            requests.append(_predict_log(inputs, signature))
    if not requests:
        return
    path = os.path.join(directory, WARMUP_FILE)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with tf.io.TFRecordWriter(path) as writer:
        for request in requests[:MOST_REQUESTS]:
            writer.write(request)


def _texts_of_vocabulary(task):
    words = [piece for piece in task.preprocessor.tokenizer.get_vocabulary() if piece.isalpha()] or ["a"]
    chosen = random.Random(0)
    inputs = len(task.serving_inputs)
    return [tuple(" ".join(chosen.choices(words, k=count)) for _ in range(inputs)) for count in _WORDS]


def _predict_log(inputs, signature):
    """A serialized `tensorflow.serving.PredictionLog` of a Predict request with one row."""
    # Here, not above: the message classes come with an optional package.
    from tensorflow_serving.apis import prediction_log_pb2

    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.signature_name = signature
    for name, text in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto([text], tf.string))
    return log.SerializeToString()
