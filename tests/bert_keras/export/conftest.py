"""An exported model, and a session that runs SavedModels as TensorFlow Serving does: by tensor names."""

import keras
import numpy as np
import pytest


@pytest.fixture(scope="session")
def randomize():
    """A function that draws all weights of a model anew, biases and LayerNorm too, so that each shows in outputs."""

    def draw(model, seed=0, spread=0.3):
        random = np.random.default_rng(seed)
        for weight in model.weights:
            if weight.dtype.startswith(("float", "bfloat")):
                weight.assign(random.normal(0.5 if "gamma" in weight.path else 0.0, spread, weight.shape))
        return model

    return draw


@pytest.fixture(scope="session")
def random_classifier(make_classifier, randomize):
    """A function that makes a `TextClassifier` with all weights random; arguments as for `make_classifier`."""

    def make(**options):
        return randomize(make_classifier(**options))

    return make


@pytest.fixture(scope="session")
def classifier(random_classifier):
    """A binary classifier of single texts; leave it as it is."""
    return random_classifier()


@pytest.fixture(scope="session")
def exported(classifier, tmp_path_factory):
    """The SavedModel directory of `classifier`; leave it as it is."""
    path = tmp_path_factory.mktemp("exported") / "1"
    classifier.export(path)
    return path


@pytest.fixture(scope="session")
def texts(reviews):
    """Twenty texts of different lengths, some of whose words the vocabulary lacks."""
    return [*reviews(17)[0], "", "unheard of 中 things", "film " * 100]


@pytest.fixture(scope="session")
def random_tokens(make_backbone):
    """A function that draws int32 inputs `[batch, length]` with padding; the first row is full."""

    def draw(batch, length, vocabulary_size, num_segments=2, seed=0):
        random = np.random.default_rng(seed)
        kept = random.integers(1, length + 1, batch)
        kept[0] = length
        mask = (np.arange(length)[None, :] < kept[:, None]).astype("int32")
        return {
            "token_ids": random.integers(0, vocabulary_size, (batch, length)).astype("int32") * mask,
            "segment_ids": random.integers(0, num_segments, (batch, length)).astype("int32") * mask,
            "padding_mask": mask,
        }

    return draw


class Served:
    """A SavedModel in a session. `served(signature, **inputs)` gives its outputs as numpy by name."""

    def __init__(self, path):
        import tensorflow as tf
        import tensorflow_text  # noqa: F401 - registers its ops

        self.session = tf.compat.v1.Session(graph=tf.Graph())
        with self.session.graph.as_default():
            meta_graph = tf.compat.v1.saved_model.loader.load(self.session, ["serve"], str(path))
        self.signatures = meta_graph.signature_def

    def __call__(self, signature, **inputs):
        definition = self.signatures[signature]
        feeds = {definition.inputs[name].name: value for name, value in inputs.items()}
        return self.session.run({name: info.name for name, info in definition.outputs.items()}, feeds)


@pytest.fixture(scope="session")
def serve():
    """A function that opens a SavedModel directory as `Served`."""
    return Served


@pytest.fixture(scope="session")
def served(exported):
    """`exported`, opened."""
    return Served(exported)


@pytest.fixture(autouse=True)
def float32_policy():
    """Leaves Keras' dtype policy as it was."""
    before = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(before)
