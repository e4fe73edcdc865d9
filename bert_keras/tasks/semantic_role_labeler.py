"""Semantic roles: who did what to whom, one predicate at a time."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from bert_keras.data.cutting import PART_SIZE
from bert_keras.data.propbank import propbank_parts, read_propbank
from bert_keras.data.words import join_words
from bert_keras.errors import BadInput
from bert_keras.metrics.roles import PREDICATE_ROLES, role_counts
from bert_keras.tasks.description import Column, ExampleFeature
from bert_keras.tasks.inputs import is_frame, rows_of
from bert_keras.tasks.pipelined import dense
from bert_keras.tasks.span_labeler import SpanLabeler
from bert_keras.tasks.word_examples import TOKENS
from bert_keras.tasks.word_task import GivenWords
from bert_keras.tokenizers.word_preprocessor import MARK, PREDICATE, TEXT

# Where the predicate stands, in characters.
_BEGIN, _END = "predicate_begin", "predicate_end"


@dataclasses.dataclass(frozen=True)
class GivenPredicates(GivenWords):
    """`GivenWords`, and the predicates: their places in the texts, int32 `[n, 2]`, or the words themselves."""

    predicates: list | np.ndarray = ()

    def slice(self, start, stop):
        words = super().slice(start, stop)
        return GivenPredicates(words.texts, words.words, words.spans, words.weights, self.predicates[start:stop])

    def tensors(self):
        if isinstance(self.predicates, np.ndarray):
            return {**super().tensors(), MARK: tf.constant(self.predicates)}
        return {**super().tensors(), PREDICATE: tf.constant(self.predicates, tf.string)}


@keras.saving.register_keras_serializable(package="bert_keras")
class SemanticRoleLabeler(SpanLabeler):
    """Find the arguments of a predicate in its sentence, and their roles.

    The pieces of the predicate are in segment 1, all others in segment 0; then as `TokenClassifier`. Arguments are
    spans or their head words, as the data it learns from has them.

    Args:
        backbone: a `BertBackbone`.
        preprocessor: a `WordPreprocessor` with `marked=True`.
        labels: list of roles, or of the tags themselves.
        crf, label_pieces, dropout: see `TokenClassifier`.

    `predict` and `answers` give a dict for each predicate: `{"roles": [{"text", "label", "begin", "end", "score"}]}`,
    begin and end in characters.

    Example:
    ```python
    labeler = bert_keras.SemanticRoleLabeler.from_preset("minilm_l6_uncased", labels=["ARG0", "ARG1"])
    sentences = {"tokens": [["Ada", "wrote", "programs"]], "predicate": [1]}
    labeler.fit(sentences, [["B-ARG0", "O", "B-ARG1"]], epochs=1)
    labeler.predict({"text": ["Bob wrote letters."], "predicate": ["wrote"]})
    ```
    """

    task_name = "semantic-roles"
    columns = (
        Column("tokens", help="The words of a sentence."),
        Column("predicate", help="Which of them is the predicate, from 0."),
        Column("tags", is_target=True, help="The words' roles."),
    )
    reading = ("skip_bad_rows",)
    answer_name = "roles"
    types_feature = "role_types"
    example_count = "count_roles"
    uncounted = PREDICATE_ROLES
    # The predicates of a sentence all go into training or all into evaluation.
    split_by = TEXT

    def __init__(self, backbone, preprocessor=None, **kwargs):
        if preprocessor is not None and not preprocessor.marked:
            raise BadInput("The preprocessor marks no predicate; make it with marked=True.")
        super().__init__(backbone, preprocessor, **kwargs)

    @classmethod
    def preprocessor_options(cls, kwargs):
        return {**super().preprocessor_options(kwargs), "marked": True}

    @classmethod
    def read_records(cls, path, require_target=True, skip_bad_rows=False):
        """Reads predicates with their roles: CoNLL-U style columns or JSON Lines; see `read_propbank`."""
        return read_propbank(path, require_target=require_target, skip_bad_rows=skip_bad_rows)

    @classmethod
    def record_parts(cls, path, size=PART_SIZE, **reading):
        return propbank_parts(path, size)

    @staticmethod
    def counts(gold, found):
        # The predicate itself is given, not found.
        return role_counts(gold, found)

    def given(self, x, y=None, sample_weight=None):
        """As `WordTask.given`; x is a dict of `predicate` and of `text` or `tokens`.

        A predicate is its word's number from 0 (with `tokens`), its begin and end in characters, or the word itself as
        it stands in the text, of which the first one is meant.
        """
        if is_frame(x):
            x = {name: x[name] for name in x.columns}
        if not isinstance(x, dict) or PREDICATE not in x or len(x) != 2:
            names = sorted(x) if isinstance(x, dict) else type(x).__name__
            raise BadInput(f"The inputs are {names}; this model reads a dict of 'predicate' and 'text' or 'tokens'.")
        words = super().given({name: values for name, values in x.items() if name != PREDICATE}, y, sample_weight)
        predicates = rows_of(x[PREDICATE])
        if len(predicates) != len(words):
            raise ValueError(f"predicate has {len(predicates)} rows, the sentences are {len(words)}; expected as many.")
        if not all(isinstance(predicate, (str, bytes)) for predicate in predicates):
            predicates = np.asarray([_place(p, row, words) for row, p in enumerate(predicates)], "int32").reshape(-1, 2)
        return GivenPredicates(words.texts, words.words, words.spans, words.weights, predicates)

    # === Pipeline ===

    @classmethod
    def example_layout(cls, **described):
        place = ExampleFeature("int64", is_list=True)
        predicate = {PREDICATE: ExampleFeature(), _BEGIN: place, _END: place}
        return {**super().example_layout(**described), **predicate}

    @classmethod
    def example_features(cls, records, **described):
        """As of spans; and the predicate, with its place, for a sentence may have the same word twice."""
        words = list(map(join_words, records.features[TOKENS]))
        predicates = records.features[PREDICATE]
        return {
            **super().example_features(records, **described),
            PREDICATE: [tokens[number] for tokens, number in zip(records.features[TOKENS], predicates)],
            _BEGIN: [[joined.begin[number]] for joined, number in zip(words, predicates)],
            _END: [[joined.end[number]] for joined, number in zip(words, predicates)],
        }

    def inputs_of_examples(self, parsed):
        """The words and the predicate, found by its place where an example has it, else as it is written."""
        begin, end = (dense(parsed[name], -1)[:, 0] for name in (_BEGIN, _END))
        return {**super().inputs_of_examples(parsed), MARK: tf.stack([begin, end], axis=1)}


def _place(predicate, row, words):
    """`(begin, end)` of a predicate in characters."""
    if isinstance(predicate, (int, np.integer)) and words.words is not None:
        begins, ends = words.words[row]
        if not 0 <= predicate < len(begins):
            raise BadInput(f"predicate is {predicate} in row {row}; the sentence has words 0 to {len(begins) - 1}.")
        return begins[predicate], ends[predicate]
    if isinstance(predicate, (tuple, list)) and len(predicate) == 2:
        begin, end = map(int, predicate)
        if 0 <= begin < end <= len(words.texts[row]):
            return begin, end
    raise BadInput(
        f"predicate is {predicate!r} in row {row}; expected the number of a word (with tokens), (begin, end) in "
        "characters, or in every row the word itself."
    )
