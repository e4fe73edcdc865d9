"""Token classification: named entities, chunks, and whatever else is a labelled span of words."""

import keras

from bert_keras import presets
from bert_keras.checkpoints import huggingface
from bert_keras.data.cutting import PART_SIZE
from bert_keras.data.tagged import read_tagged, tagged_parts
from bert_keras.tasks.description import Column
from bert_keras.tasks.span_labeler import SpanLabeler


@keras.saving.register_keras_serializable(package="bert_keras")
class TokenClassifier(SpanLabeler):
    """Find labelled spans in texts: named entities, chunks.

    Dropout and a linear layer over each token's vector (Devlin et al. 2019, section 5.3), read at the first piece of
    each word; optionally a linear-chain CRF (Lafferty et al. 2001) over the words. Texts longer than the model are read
    through overlapping windows, no word is lost.

    Args:
        backbone: a `BertBackbone`.
        preprocessor: a `WordPreprocessor`.
        labels: list of labels ("PER", "LOC"), or of the tags themselves in the order of the model's outputs ("O",
            "B-PER", "I-PER" …).
        crf: bool. Whether a CRF chooses the tags of a text together; it never gives an `I-` that continues nothing.
        label_pieces: `"first"` or `"all"`. Whether the first piece of a word learns its tag or each of its pieces.
        dropout: float. Rate before the linear layer; None = the encoder's.

    `predict` and `answers` give a dict for each text: `{"entities": [{"text", "label", "begin", "end", "score"}]}`,
    begin and end in characters, score the mean of the words' probabilities.

    Example:
    ```python
    tagger = bert_keras.TokenClassifier.from_preset("minilm_l6_uncased", labels=["PER", "LOC"])
    tagger.fit([["Ada", "met", "Bob"], ["In", "Rome"]], [["B-PER", "O", "B-PER"], ["O", "B-LOC"]], epochs=1)
    tagger.predict(["Eve went to Paris."])  # [{"entities": [{"text": "Paris", "label": "LOC", …}]}]
    ```
    """

    task_name = "token-classification"
    columns = (
        Column("tokens", required=False, aliases=("words",), help="The words; in CoNLL files column 1."),
        Column("text", required=False, aliases=("sentence",), help="The text, where words are not given."),
        Column(
            "tags",
            required=False,
            aliases=("ner_tags", "labels"),
            is_target=True,
            help="The words' tags; in CoNLL files the last column, -1.",
        ),
        Column("spans", required=False, aliases=("entities", "labels"), is_target=True, help="Labelled spans of text."),
    )
    answer_name = "entities"
    types_feature = "entity_types"

    @classmethod
    def from_preset(cls, preset, load_weights=True, **kwargs):
        """A token classifier from a preset; see `BertTask.from_preset`.

        A Hugging Face directory with a token classification head keeps its head and tags, unless `labels` asks for a
        new one.
        """
        found = presets.find(preset)
        read = None
        if load_weights and "labels" not in kwargs and found.kind == presets.HUGGING_FACE:
            read = huggingface.read_checkpoint(found.path)
        if read is None or read.head != huggingface.TOKEN_CLASSIFICATION:
            return super().from_preset(preset, load_weights, **kwargs)
        task = super().from_preset(preset, load_weights, labels=read.labels, **kwargs)
        head = huggingface.linear_weights(huggingface.read_tensors(found.path), "classifier", "logits", found.path)
        presets.assign(task, head, found.path)
        return task

    @classmethod
    def read_records(cls, path, columns=None, require_target=True, skip_bad_rows=False):
        """Reads tagged sentences: CoNLL files, JSON Lines with tokens and tags, or with text and spans.

        See `bert_keras.data.tagged.read_tagged`. Raises `BadInput`.
        """
        return read_tagged(path, columns=columns, require_target=require_target, skip_bad_rows=skip_bad_rows)

    @classmethod
    def record_parts(cls, path, size=PART_SIZE, **reading):
        return tagged_parts(path, size)
