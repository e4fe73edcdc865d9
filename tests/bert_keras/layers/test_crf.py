"""The CRF beside an enumeration of every label sequence."""

import functools
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_keras.layers.crf import FORBIDDEN, LinearChainCRF, bio_constraints

LENGTHS = [5, 0, 1, 3, 2]
MASK = np.arange(5)[None, :] < np.array(LENGTHS)[:, None]
TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]


def numbers(*shape, seed=0, scale=1.0):
    return np.random.default_rng(seed).normal(0, scale, shape).astype("float32")


def built(labels, seed=0, **arguments):
    """A layer with random weights."""
    crf = LinearChainCRF(**arguments)
    crf.build((None, None, labels))
    for number, weight in enumerate(crf.weights):
        weight.assign(numbers(*weight.shape, seed=seed * 10 + number + 1))
    return crf


def weights(crf, forbidden=FORBIDDEN):
    """Start, transitions and end in float64, with what is not allowed replaced."""
    pairs = (
        (crf.start, crf.allowed_start),
        (crf.transitions, crf.allowed_transitions),
        (crf.end, crf.allowed_end),
    )
    return [
        np.where(True if allowed is None else np.array(allowed), np.asarray(weight, "float64"), forbidden)
        for weight, allowed in pairs
    ]


def path_score(emissions, path, start, transitions, end):
    if not path:
        return 0.0
    moves = sum(transitions[i, j] for i, j in zip(path, path[1:]))
    return start[path[0]] + sum(emissions[t, label] for t, label in enumerate(path)) + moves + end[path[-1]]


def enumerated(crf, emissions, length, forbidden=FORBIDDEN):
    """Every path of one row with its score, in float64."""
    parts = weights(crf, forbidden)
    paths = list(itertools.product(range(emissions.shape[-1]), repeat=length))
    return paths, np.array([path_score(emissions.astype("float64"), path, *parts) for path in paths])


def log_sum(scores):
    return scores.max() + np.log(np.exp(scores - scores.max()).sum())


def constrained(labels):
    random = np.random.default_rng(labels)
    transitions = random.random((labels, labels)) < 0.7
    return {
        "allowed_start": [True] + [False] * (labels - 1),
        "allowed_transitions": (transitions | np.eye(labels, dtype=bool)).tolist(),
        "allowed_end": [labels > 3] + [True] * (labels - 1),
    }


CASES = [(3, {}), (4, {}), (3, {"allowed_transitions": constrained(3)["allowed_transitions"]}), (4, constrained(4))]


@pytest.fixture(params=CASES, ids=["3", "4", "3 constrained", "4 constrained"])
def case(request):
    labels, arguments = request.param
    return built(labels, **arguments), numbers(5, 5, labels, seed=labels, scale=2)


def test_log_partition_sums_over_every_path(case):
    crf, emissions = case
    expected = [log_sum(enumerated(crf, row, length)[1]) if length else 0 for row, length in zip(emissions, LENGTHS)]
    np.testing.assert_allclose(np.asarray(crf.log_partition(emissions, MASK)), expected, rtol=1e-5, atol=1e-5)


def test_the_score_of_labels_is_their_paths(case):
    crf, emissions = case
    labels = np.random.default_rng(1).integers(0, emissions.shape[-1], MASK.shape)
    expected = [
        path_score(row, tuple(path[:length]), *weights(crf)) for row, path, length in zip(emissions, labels, LENGTHS)
    ]
    padded = np.where(MASK, labels, -100)
    np.testing.assert_allclose(np.asarray(crf.score(emissions, padded, MASK)), expected, rtol=1e-5, atol=1e-5)


def test_the_likelihoods_of_all_labels_sum_to_1(case):
    crf, emissions = case
    paths = np.array(list(itertools.product(range(emissions.shape[-1]), repeat=3)))
    rows = np.repeat(emissions[:1, :3], len(paths), axis=0)
    assert np.exp(np.asarray(crf.log_likelihood(rows, paths))).sum() == pytest.approx(1, abs=1e-4)


def test_an_empty_row_has_likelihood_1_and_no_labels():
    crf = built(3)
    emissions, mask = numbers(1, 4, 3), np.zeros((1, 4), "int32")
    assert np.asarray(crf.log_likelihood(emissions, -np.ones((1, 4), "int32"), mask)).tolist() == [0]
    labels, score = crf.decode(emissions, mask)
    assert np.asarray(labels).tolist() == [[-1] * 4] and np.asarray(score).tolist() == [0]
    np.testing.assert_array_equal(np.asarray(crf.marginals(emissions, mask)), 0)


def test_decoding_finds_the_best_allowed_path(case):
    crf, emissions = case
    labels, scores = map(np.asarray, crf.decode(emissions, MASK))
    assert labels.dtype == "int32"
    for row, length, found, score in zip(emissions, LENGTHS, labels, scores):
        paths, all_scores = enumerated(crf, row, length, forbidden=-np.inf)
        assert tuple(found[:length]) == paths[all_scores.argmax()]
        assert found[length:].tolist() == [-1] * (5 - length)
        assert score == pytest.approx(all_scores.max(), rel=1e-5)


def test_marginals_are_the_shares_of_the_paths_through_a_label(case):
    crf, emissions = case
    marginals = np.asarray(crf.marginals(emissions, MASK))
    for row, length, found in zip(emissions, LENGTHS, marginals):
        expected = np.zeros_like(row, dtype="float64")
        paths, scores = enumerated(crf, row, length)
        for path, share in zip(paths, np.exp(scores - log_sum(scores))):
            for position, label in enumerate(path):
                expected[position, label] += share
        np.testing.assert_allclose(found, expected, atol=1e-5)


def gradients(crf, emissions, labels, mask, upstream):
    emissions = tf.convert_to_tensor(emissions)
    with tf.GradientTape() as tape:
        tape.watch(emissions)
        loss = tf.reduce_sum(crf.log_likelihood(emissions, labels, mask) * upstream)
    sources = [emissions, crf.start.value, crf.transitions.value, crf.end.value]
    return [tf.convert_to_tensor(gradient) for gradient in tape.gradient(loss, sources)]


def test_the_gradient_is_what_was_seen_less_what_was_expected(case):
    """Counts over every path, weighted per row: the gradient of `sum upstream * log likelihood`."""
    crf, emissions = case
    count = emissions.shape[-1]
    labels = np.random.default_rng(2).integers(0, count, MASK.shape)
    upstream = np.array([1.0, 5.0, -2.0, 0.5, 3.0], "float32")
    expected = [np.zeros(emissions.shape), np.zeros(count), np.zeros((count, count)), np.zeros(count)]

    def add(row, path, weight):
        for position, label in enumerate(path):
            expected[0][row, position, label] += weight
        if path:
            expected[1][path[0]] += weight
            expected[3][path[-1]] += weight
        for pair in zip(path, path[1:]):
            expected[2][pair] += weight

    for row, length in enumerate(LENGTHS):
        add(row, tuple(labels[row, :length]), upstream[row])
        paths, scores = enumerated(crf, emissions[row], length)
        for path, share in zip(paths, np.exp(scores - log_sum(scores))):
            add(row, path, -upstream[row] * share)
    parts = (crf.allowed_start, crf.allowed_transitions, crf.allowed_end)
    for number, allowed in enumerate(parts, start=1):
        if allowed is not None:  # What is not allowed is a constant and learns nothing.
            expected[number] = np.where(np.array(allowed), expected[number], 0)
    for found, value in zip(gradients(crf, emissions, labels, MASK, upstream), expected):
        np.testing.assert_allclose(found, value, atol=2e-5)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_graph_of_dynamic_lengths_gives_what_eager_gives(jit_compile):
    crf = built(5, **dict(zip(("allowed_start", "allowed_transitions"), bio_constraints(TAGS))))
    signature = [tf.TensorSpec([None, None, 5]), *[tf.TensorSpec([None, None], tf.int32)] * 2, tf.TensorSpec([None])]

    def everything(emissions, labels, mask, upstream):
        return (
            crf.log_likelihood(emissions, labels, mask),
            *crf.decode(emissions, mask),
            crf.marginals(emissions, mask),
            *gradients(crf, emissions, labels, mask, upstream),
        )

    graph = tf.function(everything, input_signature=signature, jit_compile=jit_compile)
    for rows, length in ((1, 1), (3, 6), (2, 4)):
        mask = (np.arange(length)[None, :] < np.arange(rows)[::-1, None] + length - rows + 1).astype("int32")
        labels = np.zeros((rows, length), "int32")
        arguments = numbers(rows, length, 5, seed=length), labels, mask, np.arange(rows, dtype="float32") + 1
        for found, expected in zip(graph(*arguments), everything(*arguments)):
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_longer_padding_changes_nothing():
    crf = built(4)
    emissions = numbers(5, 5, 4)
    padded = np.concatenate([emissions, np.full((5, 3, 4), 1e4, "float32")], axis=1)
    mask = np.pad(MASK, ((0, 0), (0, 3)))
    labels = np.zeros((5, 5), "int32")
    np.testing.assert_array_equal(
        np.asarray(crf.log_likelihood(padded, np.pad(labels, ((0, 0), (0, 3))), mask)),
        np.asarray(crf.log_likelihood(emissions, labels, MASK)),
    )
    np.testing.assert_array_equal(
        np.asarray(crf.decode(padded, mask)[0])[:, :5], np.asarray(crf.decode(emissions, MASK)[0])
    )


def test_bio_constraints_of_two_types():
    start, transitions = bio_constraints(TAGS)
    assert start.tolist() == [True, True, False, True, False]
    assert [(TAGS[i], TAGS[j]) for i, j in np.argwhere(~transitions)] == [
        ("O", "I-PER"), ("O", "I-LOC"),
        ("B-PER", "I-LOC"), ("I-PER", "I-LOC"),
        ("B-LOC", "I-PER"), ("I-LOC", "I-PER"),
    ]  # fmt: skip


def test_where_there_is_no_b_an_i_begins_what_it_labels():
    start, transitions = bio_constraints(["O", "I-PER", "I-LOC", "B-LOC"])
    assert start.tolist() == [True, True, False, True]
    assert np.argwhere(~transitions).tolist() == [[0, 2], [1, 2]]


@functools.lru_cache(maxsize=1)
def constrained_by_bio():
    # Not at import: collecting tests must not start TensorFlow.
    return built(5, **dict(zip(("allowed_start", "allowed_transitions"), bio_constraints(TAGS))))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 9), st.sampled_from([0.0, 1.0, 1e4, 1e9, 1e30, 3e38]))
def test_no_emissions_make_the_decoding_break_bio(seed, length, scale):
    random = np.random.default_rng(seed)
    emissions = (random.uniform(-1, 1, (4, length, 5)) * scale).astype("float32")
    # A model that is sure of I- everywhere.
    emissions[0, :, 2] = scale
    lengths = random.integers(0, length + 1, 4)
    labels, _ = constrained_by_bio().decode(emissions, np.arange(length)[None, :] < lengths[:, None])
    for row, real in zip(np.asarray(labels), lengths):
        tags = ["O", *(TAGS[label] for label in row[:real])]
        assert all(label >= 0 for label in row[:real])
        for before, tag in zip(tags, tags[1:]):
            assert not tag.startswith("I-") or before in (f"B-{tag[2:]}", tag)


def test_labels_that_are_not_allowed_cost_much_and_stay_finite():
    crf = LinearChainCRF(*bio_constraints(["O", "B-X", "I-X"]))
    emissions = np.zeros((1, 2, 3), "float32")
    found = np.asarray(crf.log_likelihood(emissions, [[0, 2]]))
    # Five of the nine sequences are legal: I-X at the start, and after O, are not.
    np.testing.assert_allclose(found, [FORBIDDEN - np.log(5)], rtol=1e-6)


def test_large_emissions_give_no_nan():
    crf = built(3)
    emissions = numbers(2, 6, 3, scale=1e6)
    labels = np.zeros((2, 6), "int32")
    values = [crf.log_likelihood(emissions, labels), crf.marginals(emissions)]
    values += gradients(crf, emissions, labels, np.ones((2, 6)), np.ones(2, "float32"))
    assert all(np.isfinite(np.asarray(value)).all() for value in values)


def test_half_precision_emissions_are_computed_in_float32():
    crf = built(3, dtype="mixed_bfloat16")
    emissions = keras.ops.cast(numbers(2, 4, 3), "bfloat16")
    assert {weight.dtype for weight in crf.weights} == {"float32"}
    for value in (crf(emissions), crf.log_partition(emissions), crf.decode(emissions)[1], crf.marginals(emissions)):
        assert keras.backend.standardize_dtype(value.dtype) == "float32"


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"allowed_start": [False, False]}, "allowed_start allows no label"),
        ({"allowed_transitions": [[True, True], [False, False]]}, "allows no label after some label"),
        ({"allowed_transitions": [True, True]}, "allowed_transitions has shape"),
    ],
)
def test_constraints_that_allow_nothing_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        LinearChainCRF(**arguments)


def test_constraints_for_other_labels_are_refused():
    with pytest.raises(ValueError, match="allowed_start is for 3 labels, and the emissions have 4"):
        LinearChainCRF([True] * 3).build((None, None, 4))


def test_a_saved_model_holds_the_weights_and_the_constraints(tmp_path):
    inputs = keras.Input((None, 5))
    crf = LinearChainCRF(*bio_constraints(TAGS), name="crf")
    model = keras.Model(inputs, crf(inputs))
    for number, weight in enumerate(crf.weights):
        weight.assign(numbers(*weight.shape, seed=number))
    model.save(tmp_path / "model.keras")
    back = keras.models.load_model(tmp_path / "model.keras").get_layer("crf")
    assert back.get_config() == crf.get_config()
    emissions = numbers(2, 4, 5)
    for method in ("log_partition", "marginals"):
        np.testing.assert_array_equal(
            np.asarray(getattr(back, method)(emissions)), np.asarray(getattr(crf, method)(emissions))
        )


@pytest.mark.parametrize("jit_compile", [False, True])
def test_training_learns_a_rule_that_emissions_do_not_show(jit_compile):
    """Labels go 0 1 2 0 1 2 ... from a random start that the first input alone shows."""

    class Tagger(keras.Model):
        def __init__(self):
            super().__init__()
            self.crf = LinearChainCRF()

        def call(self, inputs):
            return self.crf(inputs)

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return -keras.ops.mean(self.crf.log_likelihood(y_pred, y))

    random = np.random.default_rng(0)
    labels = (random.integers(0, 3, (64, 1)) + np.arange(6)) % 3
    emissions = np.zeros((64, 6, 3), "float32")
    emissions[:, 0] = 5 * np.eye(3)[labels[:, 0]]
    model = Tagger()
    model.compile(keras.optimizers.Adam(0.3), jit_compile=jit_compile)
    model.fit(emissions, labels, batch_size=32, epochs=20, verbose=0)
    np.testing.assert_array_equal(np.asarray(model.crf.decode(emissions)[0]), labels)
