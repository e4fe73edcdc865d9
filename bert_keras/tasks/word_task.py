"""What tasks that label the words of a text have in common."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from bert_keras.data.words import join_words, spans_of_tags
from bert_keras.errors import BadInput, nearest
from bert_keras.layers import Linear
from bert_keras.layers.crf import LinearChainCRF, bio_constraints
from bert_keras.tasks.inputs import is_frame, rows_of
from bert_keras.tasks.tagging import TagSet
from bert_keras.tasks.windowed import check_weights
from bert_keras.tasks.word_examples import TOKENS, WordExamples, tag_targets
from bert_keras.tokenizers.word_preprocessor import TEXT, WORD_BEGIN, WORD_END, WordPreprocessor


@dataclasses.dataclass(frozen=True)
class GivenWords:
    """Texts, their words where these are known, and their labelled spans, all in characters.

    Attributes:
        texts: list of n strings.
        words: list of n `(begins, ends)`, or None: the model looks for words.
        spans: list of n lists of `(begin, end, label)`, sorted, or None.
        weights: float32 `[n]` or None.
    """

    texts: list
    words: list | None
    spans: list | None
    weights: np.ndarray | None

    def __len__(self):
        return len(self.texts)

    def slice(self, start, stop):
        cut = [None if v is None else v[start:stop] for v in (self.texts, self.words, self.spans, self.weights)]
        return GivenWords(*cut)

    def tensors(self):
        """What the preprocessor's `encode` takes."""
        features = {TEXT: tf.constant(self.texts, tf.string)}
        if self.words is not None:
            features[WORD_BEGIN] = ragged([begin for begin, _ in self.words])
            features[WORD_END] = ragged([end for _, end in self.words])
        return features


def ragged(rows):
    """Lists of ints as an int32 RaggedTensor; much faster than `tf.ragged.constant`."""
    flat = np.fromiter((value for row in rows for value in row), "int32")
    return tf.RaggedTensor.from_row_lengths(flat, np.asarray([len(row) for row in rows], "int64"), validate=False)


class WordTask(WordExamples):
    """A task that gives the words of a text tags, and so finds labelled spans in it.

    A subclass calls `tagging_head` while it builds its model, and `decode` in its `serving_outputs`.
    """

    preprocessor_cls = WordPreprocessor
    reading = ("columns", "skip_bad_rows")

    @classmethod
    def preprocessor_options(cls, kwargs):
        return {"overlap": kwargs.pop("overlap", None)}

    # === The model ===

    def tagging_head(self, backbone, labels, crf, dropout, label_pieces, name="logits"):
        """Sets `tag_set` and the head's layers; returns a function from the sequence output to the tags' logits."""
        if label_pieces not in ("first", "all"):
            raise BadInput(f"label_pieces is {label_pieces!r}; expected 'first' or 'all'.")
        self.tag_set = TagSet.of_labels(labels)
        self.label_pieces = label_pieces
        self.dropout_rate = backbone.config.dropout if dropout is None else dropout
        self.output_dropout = keras.layers.Dropout(
            self.dropout_rate, dtype=backbone.dtype_policy, name="output_dropout"
        )
        # Logits in float32 under every policy: the loss and the scores are made of them.
        self.output_dense = Linear(
            len(self.tag_set.tags), initializer_range=backbone.config.initializer_range, dtype="float32", name=name
        )
        self.crf = None
        if crf:
            start, transitions = bio_constraints(self.tag_set.tags)
            self.crf = LinearChainCRF(start, transitions, name="crf")

        def head(sequence):
            logits = self.output_dense(self.output_dropout(sequence))
            return logits if self.crf is None else self.crf(logits)

        return head

    # === Input ===

    def given(self, x, y=None, sample_weight=None):
        """What users hand over as `GivenWords`.

        Args:
            x: list of n texts, or of n lists of words; or a dict of one of these under `text` or `tokens`.
            y: for lists of words n lists of tags (BIO), for texts n lists of spans: `(begin, end, label)` in characters
                or dicts of these; or None.
            sample_weight: n floats or None.

        Raises:
            BadInput: something else, or a label that the model does not know; the message names the row.
        """
        texts, words = _texts_and_words(x)
        spans = None
        if y is not None:
            y = rows_of(y)
            if len(y) != len(texts):
                raise ValueError(f"y has {len(y)} rows, x has {len(texts)}; expected as many.")
            spans = [self._spans(target, row, texts, words) for row, target in enumerate(y)]
        places = None if words is None else [(joined.begin, joined.end) for joined in words]
        return GivenWords(texts, places, spans, check_weights(sample_weight, len(texts)))

    def _spans(self, target, row, texts, words):
        if not isinstance(target, (list, tuple, np.ndarray)):
            raise BadInput(f"y has {target!r:.80} in row {row}; expected a list of tags, one a word, or of spans.")
        if words is not None and not any(isinstance(item, (tuple, dict)) for item in target):
            tags = [self._tag(tag, row) for tag in target]
            if len(tags) != len(words[row].begin):
                raise BadInput(f"y has {len(tags)} tags in row {row}; expected {len(words[row].begin)}, one a word.")
            try:
                spans = spans_of_tags(words[row], tags)
            except BadInput as error:
                raise BadInput(f"y, row {row}, {error}") from error
        else:
            spans = sorted(_span(item, row) for item in target)
            _check_places(spans, texts[row], row)
        for _, _, label in spans:
            if label not in self.tag_set.labels:
                labels = self.tag_set.labels
                raise BadInput(
                    f"y has the label {label!r} in row {row}{nearest(label, labels)}; this model knows "
                    f"{', '.join(labels[:20])}."
                )
        return spans

    def _tag(self, tag, row):
        """A tag's name, from its name or its place among the model's tags."""
        if not isinstance(tag, (int, np.integer)):
            return tag.decode() if isinstance(tag, bytes) else str(tag)
        if not 0 <= tag < len(self.tag_set.tags):
            raise BadInput(
                f"y has the tag {tag} in row {row}; expected the name of a tag, or its place from 0 to "
                f"{len(self.tag_set.tags) - 1} among {', '.join(self.tag_set.tags[:7])} …, one a word."
            )
        return self.tag_set.tags[tag]

    def row_targets(self, encoded, given):
        if given.spans is None:
            return None, None
        tags = self.token_tags(encoded, given.spans)
        return tag_targets(tags, encoded.windows.token_ids.row_lengths().numpy())

    def token_tags(self, encoded, spans):
        """The tag of each of the windows' tokens that says something of a word, else -1: int32 `[all tokens]`."""
        labels = {label: number for number, label in enumerate(self.tag_set.labels)}
        begin, end = (ragged([[span[place] for span in row] for row in spans]) for place in (0, 1))
        label = ragged([[labels[span[2]] for span in row] for row in spans])
        return self.tags_in_graph(encoded, begin, end, label).flat_values.numpy()

    def tags_in_graph(self, encoded, begin, end, label):
        """As `token_tags`, from RaggedTensors `[n, spans]`: int32 RaggedTensor `[rows, length]`."""
        of_words = self.tag_set.tags_of_spans(encoded.words, begin, end, label)
        word = encoded.word
        row_starts = tf.gather(encoded.words.begin.row_starts(), word.value_rowids())
        place = tf.where(word.flat_values >= 0, row_starts + tf.cast(word.flat_values, tf.int64), 0)
        tag = tf.gather(tf.concat([of_words, [-1]], 0), place)
        speaks = first = encoded.first.flat_values
        if self.label_pieces == "all":
            continued = tf.gather(self.tag_set.continued, tf.maximum(tag, 0))
            tag = tf.where(first | (tag < 0), tag, continued)
            speaks = word.flat_values >= 0
        tag = word.with_flat_values(tf.where(speaks, tag, -1))
        tokens = encoded.of_tokens(tag, -1)
        return tokens.with_flat_values(tf.where(encoded.windows.owned.flat_values, tokens.flat_values, -1))

    def check_known(self, records, spans, field):
        """Looks whether the model knows the labels of records' spans. Raises `BadInput`."""
        known = set(self.tag_set.labels)
        for index, row in enumerate(spans):
            for _, _, label in row:
                if label not in known:
                    raise BadInput(
                        f"{records.place(index, field)}: the label {label!r} is none that this model knows; expected "
                        f"one of {', '.join(self.tag_set.labels)}"
                    )

    def known_records(self, records, unknown):
        """The records without those of which the model does not know a label; these are told in `skipped`.

        Args:
            records: `Records` with targets.
            unknown: list with an entry for each record, a list of `(label, field)`: what the model does not know.

        Raises:
            BadInput: nothing is left.
        """
        keep = [index for index, labels in enumerate(unknown) if not labels]
        if not keep:
            label, field = unknown[0][0]
            raise BadInput(
                f"{records.place(0, field)}: the model does not know {label!r}, and no other row whole; expected rows "
                "to measure the loss on"
            )
        skipped = [
            f"{records.place(index, labels[0][1])}: {labels[0][0]!r} is not among the training data; the loss leaves "
            "the row out"
            for index, labels in enumerate(unknown)
            if labels
        ]
        return records.pick(keep, (*records.skipped, *skipped))

    def unknown_labels(self, spans, field):
        """For each row of spans `[(label, field)]`, those that the model does not know."""
        return [[(label, field) for _, _, label in row if label not in self.tag_set.labels] for row in spans]

    # === Loss ===

    def tag_losses(self, targets, logits):
        """Float32 `[batch]`: the mean over a row's words of the loss of their tags; 0 where a row has none.

        Args:
            targets: int32 `[batch, length]`, -1 where a token says nothing of a word.
            logits: float32 `[batch, length, tags]`.
        """
        real = targets >= 0
        count = tf.reduce_sum(tf.cast(real, tf.float32), axis=1)
        if self.crf is None:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.maximum(targets, 0), logits)
            total = tf.reduce_sum(tf.where(real, losses, 0.0), axis=1)
        else:
            total = -self.crf.log_likelihood(*pack(logits, targets, real & ~self._cut_off(targets)))
        return tf.math.divide_no_nan(total, count)

    def _cut_off(self, targets):
        """Where a window begins within a span: the tokens of the rest of that span, bool `[batch, length]`.

        The CRF forbids a text to begin with such tags. Only while training does it see windows apart from each other.
        """
        inside = tf.gather(~np.array(self.crf.allowed_start), tf.maximum(targets, 0)) | (targets < 0)
        return tf.math.cumprod(tf.cast(inside, tf.int32), axis=1) > 0

    # === Decoding ===

    def decode(self, logits, encoded):
        """The spans that the model finds.

        Args:
            logits: float32 `[rows, length, tags]`, of the windows' tokens.
            encoded: `EncodedWords`.

        Returns:
            `Spans`.
        """
        speaking = encoded.speaking.to_tensor()
        speaking = speaking[:, : tf.shape(logits)[1]]
        of_words = tf.boolean_mask(logits[:, : tf.shape(speaking)[1]], speaking)
        spoken = self._spoken_words(encoded)
        if self.crf is None:
            scores = tf.nn.softmax(of_words)
            tags = tf.argmax(of_words, axis=-1, output_type=tf.int32)
        else:
            tags, scores = self._viterbi(of_words, encoded.words.begin, spoken)
        score = tf.gather(scores, tags, batch_dims=1)
        total = tf.size(encoded.words.begin.flat_values, out_type=tf.int64)
        place = spoken[:, None]
        # A word of which tokenizing left nothing is outside of every span.
        outside = tf.fill([total], self.tag_set.outside)
        tags = tf.tensor_scatter_nd_update(outside, place, tags)
        score = tf.tensor_scatter_nd_update(tf.zeros([total]), place, score)
        return self.tag_set.spans_of_tags(encoded.words, tags, score)

    def _spoken_words(self, encoded):
        """int64 `[spoken words]`: the number among all words of each word that has a piece, in order."""
        word = encoded.word
        row_starts = tf.gather(encoded.words.begin.row_starts(), word.value_rowids())
        return tf.boolean_mask(row_starts + tf.cast(word.flat_values, tf.int64), encoded.first.flat_values)

    def _viterbi(self, of_words, words, spoken):
        row = tf.gather(words.value_rowids(), spoken)
        rows = tf.RaggedTensor.from_value_rowids(of_words, row, nrows=words.nrows(), validate=False)
        mask = tf.ones_like(rows[:, :, 0], tf.int32).to_tensor()
        dense = rows.to_tensor()
        # One step at least, which the recursions need.
        short = tf.maximum(1 - tf.shape(mask)[1], 0)
        mask, dense = tf.pad(mask, [[0, 0], [0, short]]), tf.pad(dense, [[0, 0], [0, short], [0, 0]])
        tags, _ = self.crf.decode(dense, mask)
        marginals = self.crf.marginals(dense, mask)
        real = mask > 0
        return tf.boolean_mask(ops.cast(tags, "int32"), real), tf.boolean_mask(marginals, real)

    def get_config(self):
        return {
            **super().get_config(),
            "crf": self.crf is not None,
            "label_pieces": self.label_pieces,
            "dropout": self.dropout_rate,
        }


def pack(logits, targets, real):
    """Moves the real positions of each row to its front.

    Returns:
        `(logits, targets, mask)` of the same shapes; mask is bool, true for what is real.
    """
    order = tf.argsort(tf.cast(~real, tf.int32), axis=1, stable=True)
    return (
        tf.gather(logits, order, batch_dims=1),
        tf.gather(tf.maximum(targets, 0), order, batch_dims=1),
        tf.gather(real, order, batch_dims=1),
    )


def labels_of(records, spans):
    """The labels of records' spans, sorted. Raises `BadInput` where there is none."""
    labels = sorted({label for row in spans for _, _, label in row})
    if not labels:
        raise BadInput(f"{records.source} has no labelled span at all, every tag is O; expected some to learn from.")
    return labels


def plain_spans(found):
    """Spans as `answers_of` gives them as `(begin, end, label)`."""
    return [(span["begin"], span["end"], span["label"]) for span in found]


def _texts_and_words(x):
    if isinstance(x, tf.data.Dataset):
        raise BadInput("This task takes lists, not a tf.data.Dataset; give the texts, or the lists of words, as lists.")
    if is_frame(x):
        x = {name: x[name] for name in x.columns}
    if isinstance(x, dict):
        if list(x) not in ([TEXT], [TOKENS]):
            raise BadInput(f"The inputs are {sorted(x)}; this model reads 'text', or 'tokens' (lists of words).")
        (x,) = x.values()
    if isinstance(x, (str, bytes)):
        raise BadInput("x is a single string; put it in a list.")
    x = rows_of(x)
    if not x:
        raise BadInput("x has no rows; expected at least one text.")
    # As the tokenizer reads them: what is no UTF-8 becomes U+FFFD.
    x = [row.decode("utf-8", "replace") if isinstance(row, bytes) else row for row in x]
    if isinstance(x[0], str):
        wrong = next((row for row, text in enumerate(x) if not isinstance(text, str)), None)
        if wrong is not None:
            raise BadInput(f"x has {x[wrong]!r} in row {wrong}; expected a string, as in row 0.")
        return x, None
    for row, words in enumerate(x):
        if not isinstance(words, (list, tuple, np.ndarray)) or not all(isinstance(word, str) for word in words):
            raise BadInput(f"x has {words!r:.80} in row {row}; expected a list of words, or a string throughout.")
    joined = [join_words(words) for words in x]
    return [words.text for words in joined], joined


def _check_places(spans, text, row):
    """Looks whether sorted spans lie in their text, apart from each other. Raises `BadInput`."""
    before = 0
    for begin, end, _ in spans:
        if end > len(text):
            raise BadInput(f"y has a span from {begin} to {end} in row {row}; the text has {len(text)} characters.")
        if begin < before:
            raise BadInput(f"y has spans in row {row} that overlap at {begin}; expected them apart from each other.")
        before = end


def _span(item, row):
    try:
        if isinstance(item, dict):
            names = (("begin", "start"), ("end",), ("label", "type"))
            item = [next(item[name] for name in some if name in item) for some in names]
        begin, end, label = item
        begin, end = int(begin), int(end)
    except (StopIteration, TypeError, ValueError) as error:
        raise BadInput(
            f"y has {item!r:.80} in row {row}; expected a span (begin, end, label) in characters."
        ) from error
    if not 0 <= begin < end:
        raise BadInput(f"y has a span from {begin} to {end} in row {row}; expected 0 <= begin < end, in characters.")
    return begin, end, str(label)
