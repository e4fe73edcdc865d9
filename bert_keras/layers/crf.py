"""A linear-chain conditional random field: tags of a sequence chosen together (Lafferty et al. 2001)."""

import keras
import numpy as np
from keras import ops

# The score of a forbidden transition: exp() of it is exactly 0 in float32, and sums with it stay finite.
FORBIDDEN = -1e4
# Viterbi cuts emissions here: sums over any length stay finite, so that minus infinity means "cannot be reached" only.
LARGEST = 1e30


@keras.saving.register_keras_serializable(package="bert_keras")
class LinearChainCRF(keras.layers.Layer):
    """Scores of whole tag sequences: emissions, plus a learned score for each tag that follows another.

    The score of labels y is `start[y_0] + sum emissions[t, y_t] + sum transitions[y_t-1, y_t] + end[y_last]`; their
    probability is the softmax of it over all label sequences of the same length. The layer passes emissions through,
    so that it stands in a functional model and its weights are trained, saved and loaded with it; loss and decoding
    call its methods. All arithmetic is float32 under every dtype policy.

    Masks are int or bool `[batch, length]` with the real positions first: true for a real position. A row may have
    none, and a batch no rows. The length must be at least 1; it may be dynamic.

    Args:
        allowed_start: optional bool `[labels]`: labels that a sequence may begin with; see `bio_constraints`.
        allowed_transitions: optional bool `[labels, labels]`: `[i, j]` says whether j may follow i.
        allowed_end: optional bool `[labels]`: labels that a sequence may end with.

    What is not allowed scores -10,000 in training and in the marginals, and is never decoded, whatever the emissions.

    Input: float `[batch, length, labels]`, scores of each label at each position. Output: the same as float32.

    Example:

    >>> import numpy as np
    >>> from bert_keras.layers.crf import LinearChainCRF
    >>> crf = LinearChainCRF()
    >>> emissions = crf(np.array([[[2.0, 0.0], [0.0, 1.0], [5.0, 5.0]]]))
    >>> labels, score = crf.decode(emissions, np.array([[1, 1, 0]]))
    >>> np.asarray(labels).tolist(), np.asarray(score).tolist()
    ([[0, 1, -1]], [3.0])
    """

    def __init__(self, allowed_start=None, allowed_transitions=None, allowed_end=None, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.allowed_start = _allowed("allowed_start", allowed_start, 1)
        self.allowed_transitions = _allowed("allowed_transitions", allowed_transitions, 2)
        self.allowed_end = _allowed("allowed_end", allowed_end, 1)

    def build(self, input_shape):
        labels = input_shape[-1]
        for name in ("allowed_start", "allowed_transitions", "allowed_end"):
            allowed = getattr(self, name)
            if allowed is not None and set(np.shape(allowed)) != {labels}:
                raise ValueError(f"{name} is for {len(allowed)} labels, and the emissions have {labels}.")
        self.transitions = self.add_weight(name="transitions", shape=(labels, labels), initializer="zeros")
        self.start = self.add_weight(name="start", shape=(labels,), initializer="zeros")
        self.end = self.add_weight(name="end", shape=(labels,), initializer="zeros")
        self.built = True

    def call(self, emissions):
        return emissions

    def log_likelihood(self, emissions, labels, mask=None):
        """The log probability of each row's labels: float32 `[batch]`, 0 for a row without a real position.

        Args:
            emissions: float `[batch, length, labels]`.
            labels: int `[batch, length]`; any number where the mask is false.
            mask: int or bool `[batch, length]`; None if every position is real.
        """
        return self.score(emissions, labels, mask) - self.log_partition(emissions, mask)

    def score(self, emissions, labels, mask=None):
        """The score of each row's labels: float32 `[batch]`. Arguments as for `log_likelihood`."""
        emissions, mask = self._inputs(emissions, mask)
        start, transitions, end = self._weights(FORBIDDEN)
        num_labels = transitions.shape[0]
        real = ops.cast(mask, "float32")
        labels = ops.where(mask, ops.cast(labels, "int32"), 0)
        chosen = ops.one_hot(labels, num_labels, dtype="float32")
        emitted = ops.sum(ops.sum(chosen * emissions, axis=-1) * real, axis=-1)
        pairs = labels[:, :-1] * num_labels + labels[:, 1:]
        moved = ops.sum(ops.take(ops.reshape(transitions, (-1,)), pairs) * real[:, 1:], axis=-1)
        last = ops.expand_dims(_is_last(real), -1)
        ends = ops.sum(ops.matmul(chosen[:, 0], start[:, None]), axis=-1) * real[:, 0]
        return emitted + moved + ends + ops.sum(chosen * last * end, axis=(1, 2))

    def log_partition(self, emissions, mask=None):
        """The log of the summed exponentials of all label sequences' scores: float32 `[batch]`, 0 for an empty row.

        Its gradient is the expected counts, by forward-backward: no loop is differentiated, so that XLA and every
        backend take it. It has no second derivative.
        """
        emissions, mask = self._inputs(emissions, mask)
        weights = self._weights(FORBIDDEN)
        fixed = ops.stop_gradient(emissions)
        fixed_weights = [ops.stop_gradient(weight) for weight in weights]
        alphas, betas, log_z = _forward_backward(fixed, mask, *fixed_weights)
        nodes = _nodes(alphas, betas, log_z, mask)
        pairs = _pairs(fixed, mask, fixed_weights[1], alphas, betas, log_z)
        nodes, pairs, log_z = ops.stop_gradient(nodes), ops.stop_gradient(pairs), ops.stop_gradient(log_z)
        start, transitions, end = weights
        last = ops.expand_dims(_is_last(ops.cast(mask, "float32")), -1)
        # Linear in emissions and weights, with the expected counts as factors: its gradient is log Z's.
        expected = (
            ops.sum(nodes * emissions, axis=(1, 2))
            + ops.sum(pairs * transitions, axis=(1, 2))
            + ops.sum(nodes[:, 0] * start, axis=-1)
            + ops.sum(nodes * last * end, axis=(1, 2))
        )
        return log_z + (expected - ops.stop_gradient(expected))

    def marginals(self, emissions, mask=None):
        """The probability of each label at each position: float32 `[batch, length, labels]`, 0 where masked."""
        emissions, mask = self._inputs(emissions, mask)
        return _nodes(*_forward_backward(emissions, mask, *self._weights(FORBIDDEN)), mask)

    def decode(self, emissions, mask=None):
        """The best label sequence of each row (Viterbi), among the allowed ones.

        Returns:
            int32 `[batch, length]`, -1 where masked, and its score, float32 `[batch]`, 0 for an empty row. Among
            equals the lower label wins, from the end on.
        """
        # Keras takes no maximum of nothing, so that those of a batch without rows get something to start from.
        emissions, mask = self._inputs(emissions, mask)
        emissions = ops.clip(emissions, -LARGEST, LARGEST)
        start, transitions, end = self._weights(-np.inf)

        def forward(carry, step):
            scores, pointers = carry
            emission, real = at(step)
            candidates = scores[:, :, None] + transitions
            best = ops.max(candidates, axis=1, initial=-np.inf)
            after = ops.where(step == 0, ops.broadcast_to(start, ops.shape(emission)), best)
            scores = ops.where(real, after + emission, scores)
            pointers = ops.cast(ops.argmax(candidates, axis=1), "int32")
            return (scores, pointers), (scores, pointers)

        def backward(label, step):
            before = ops.take_along_axis(ops.take(pointers, step, axis=0), label[:, None], axis=1)[:, 0]
            return ops.where(at(step)[1][:, 0], before, label), label

        steps, at = _steps(emissions, mask)
        zeros = ops.zeros_like(emissions[:, 0])
        (scores, _), (_, pointers) = ops.scan(forward, (zeros, ops.cast(zeros, "int32")), steps)
        scores = scores + end
        label = ops.cast(ops.argmax(scores, axis=-1), "int32")
        _, labels = ops.scan(backward, label, steps, reverse=True)
        score = ops.where(mask[:, 0], ops.max(scores, axis=-1, initial=-np.inf), 0.0)
        return ops.where(mask, ops.transpose(labels), -1), score

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "allowed_start": self.allowed_start,
            "allowed_transitions": self.allowed_transitions,
            "allowed_end": self.allowed_end,
        }

    def _inputs(self, emissions, mask):
        emissions = ops.cast(emissions, "float32")
        if not self.built:
            self.build(tuple(emissions.shape))
        mask = ops.ones(ops.shape(emissions)[:2], "bool") if mask is None else ops.cast(mask, "bool")
        return emissions, mask

    def _weights(self, forbidden):
        """Start, transition and end scores, with this number where they are not allowed."""
        weights = []
        for weight, allowed in (
            (self.start, self.allowed_start),
            (self.transitions, self.allowed_transitions),
            (self.end, self.allowed_end),
        ):
            weight = ops.convert_to_tensor(weight)
            weights.append(weight if allowed is None else ops.where(np.array(allowed), weight, np.float32(forbidden)))
        return weights


def bio_constraints(labels) -> tuple[np.ndarray, np.ndarray]:
    """What BIO tags allow: I-X stands only after B-X or I-X.

    Args:
        labels: sequence of str, the names in the order of their ids. Names without `I-` are allowed everywhere, and so
            is an I-X among names without B-X, which begins what it labels.

    Returns:
        bool `[labels]`, allowed at the start, and bool `[labels, labels]`, `[i, j]`: j may follow i. They are
        `allowed_start` and `allowed_transitions` of `LinearChainCRF`.
    """
    before = [name[2:] if name.startswith(("B-", "I-")) else None for name in labels]
    names = set(labels)
    inside = [name[2:] if name.startswith("I-") and f"B-{name[2:]}" in names else None for name in labels]
    start = np.array([kind is None for kind in inside])
    return start, start[None, :] | np.array([[kind == other for kind in inside] for other in before])


def _allowed(name, values, rank):
    """Nested lists of bool, as a config holds them, or None."""
    if values is None:
        return None
    values = np.asarray(values, "bool")
    if values.ndim != rank or len(set(values.shape)) != 1:
        raise ValueError(f"{name} has shape {values.shape}; expected {['labels'] * rank}.")
    if not values.any(axis=-1).all():
        raise ValueError(f"{name} allows no label{' after some label' * (rank - 1)}; expected at least one.")
    return values.tolist()


def _steps(emissions, mask):
    """The steps to scan over, and a function that gives a step's emissions `[batch, labels]` and mask `[batch, 1]`.

    `ops.scan` gets the numbers of the steps alone: on TensorFlow it takes no second sequence of a dynamic length.
    """
    emissions = ops.transpose(emissions, (1, 0, 2))
    mask = ops.transpose(mask)[:, :, None]
    return ops.arange(ops.shape(emissions)[0]), lambda step: (
        ops.take(emissions, step, axis=0),
        ops.take(mask, step, axis=0),
    )


def _forward_backward(emissions, mask, start, transitions, end):
    """Log sums over the labels before and after, alphas and betas `[length, batch, labels]`, and log Z `[batch]`."""

    def forward(alpha, step):
        emission, real = at(step)
        onward = ops.logsumexp(alpha[:, :, None] + transitions, axis=1)
        after = ops.where(step == 0, ops.broadcast_to(start, ops.shape(emission)), onward) + emission
        alpha = ops.where(real, after, alpha)
        return alpha, alpha

    def backward(beta, step):
        emission, real = at(step)
        before = ops.logsumexp((emission + beta)[:, None, :] + transitions, axis=2)
        return ops.where(real, before, beta), beta

    steps, at = _steps(emissions, mask)
    zeros = ops.zeros_like(emissions[:, 0])
    alpha, alphas = ops.scan(forward, zeros, steps)
    _, betas = ops.scan(backward, zeros + end, steps, reverse=True)
    return alphas, betas, ops.where(mask[:, 0], ops.logsumexp(alpha + end, axis=-1), 0.0)


def _nodes(alphas, betas, log_z, mask):
    """The probability of each label at each position: `[batch, length, labels]`."""
    nodes = ops.exp(alphas + betas - log_z[:, None])
    return ops.where(mask[:, :, None], ops.transpose(nodes, (1, 0, 2)), 0.0)


def _pairs(emissions, mask, transitions, alphas, betas, log_z):
    """How often each label is expected to follow each other: `[batch, labels, labels]`.

    Summed step by step: the probabilities of all pairs at all positions at once would not fit for a hundred labels.
    """
    steps, at = _steps(emissions, mask)

    def add(step, total):
        emission, real = at(step)
        before = ops.take(alphas, step - 1, axis=0) - log_z[:, None]
        after = emission + ops.take(betas, step, axis=0)
        pairs = ops.exp(before[:, :, None] + transitions + after[:, None, :])
        return total + ops.where(real[:, :, None], pairs, 0.0)

    zeros = ops.zeros_like(alphas[0])
    return ops.fori_loop(1, ops.shape(steps)[0], add, zeros[:, :, None] * zeros[:, None, :])


def _is_last(real):
    """1.0 at each row's last real position, 0.0 elsewhere: `[batch, length]`."""
    return real - ops.concatenate([real[:, 1:], ops.zeros_like(real[:, :1])], axis=1)
