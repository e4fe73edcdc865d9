"""BERT as it is pretrained: masked words and sentence order over one encoder."""

import keras
import tensorflow as tf
from keras import ops

from bert_keras import presets
from bert_keras.checkpoints import huggingface
from bert_keras.config import BertConfig
from bert_keras.errors import BadInput
from bert_keras.layers import Linear, MaskedLMHead
from bert_keras.tasks.masked_words import MaskedWords
from bert_keras.tasks.row_encoder import POSITION_IDS, SEQUENCE_IDS, RowEncoder
from bert_keras.tokenizers import MaskedTextPreprocessor
from bert_keras.training.accumulation import check_parts, summed_over_parts
from bert_keras.training.distribution import MULTI_WORKER, STRATEGIES
from bert_keras.training.dropout import set_dropout
from bert_keras.training.multi_worker import require_one_machine
from bert_keras.training.optimizer import AdamW
from bert_keras.training.pretraining_metrics import MLM_SUMS, SENTENCE_SUMS, TOKENS, PretrainingMetrics

OBJECTIVES = ("nsp", "sop")
MASKED = ("mask_positions", "mask_ids", "mask_weights")
SENTENCE = ("sentence_label",)
SENTENCES = ("sentence_positions", "sentence_labels", "sentence_weights")


@keras.saving.register_keras_serializable(package="bert_keras")
class PretrainingModel(MaskedWords):
    """The encoder with the heads it is pretrained with (Devlin et al. 2019, section 3.1).

    The loss is `mlm + sentence_loss_weight * sentence`: the mean cross-entropy over the masked positions of the global
    batch, and that of the sentence labels over its rows.

    Args:
        backbone: a `BertBackbone`. Its token table is shared with the output layer.
        preprocessor: a `MaskedTextPreprocessor`, for `fill_masks`; None is fine for training.
        sentence_objective: `"nsp"` (does the second text follow?), `"sop"` (are the two in order? Lan et al. 2020) or
            None (masked words alone, Liu et al. 2019; the pooler is then left as it is).
        sentence_loss_weight: float of at least 0, lambda.

    Inputs, a dict of int32: `token_ids`, `segment_ids`, `padding_mask` `[batch, length]`, `mask_positions`
    `[batch, positions]`. Outputs, a dict of float32: `mlm_logits` `[batch, positions, vocabulary_size]` and, with a
    sentence objective, `sentence_logits` `[batch, 2]` (0 = is next, in order; 1 = random, swapped).

    `fit` and `evaluate` take a batched `tf.data.Dataset` of dicts: the inputs, `mask_ids` int32 and `mask_weights`
    float32 `[batch, positions]` (0 = unused), and `sentence_label` int32 `[batch]`. Packed rows have `sequence_ids`
    (see `RowEncoder`) and, in the place of `sentence_label`, `sentence_positions` int32 (where each `[CLS]` stands),
    `sentence_labels` int32 and `sentence_weights` float32, all `[batch, sequences]`.

    Example:
    ```python
    model = bert_keras.PretrainingModel.from_preset("tiny_uncased", load_weights=False, vocabulary="vocab.txt")
    model.compile(accumulate=2)
    model.fit(rows.batch(64, drop_remainder=True), steps_per_epoch=1000)
    model.save_to_preset("pretrained")
    bert_keras.TextClassifier.from_preset("pretrained", labels=["negative", "positive"])
    ```
    """

    preprocessor_cls = MaskedTextPreprocessor
    strategies = (*STRATEGIES, MULTI_WORKER)

    def __init__(self, backbone, preprocessor=None, sentence_objective="nsp", sentence_loss_weight=1.0, **kwargs):
        if sentence_objective is not None and sentence_objective not in OBJECTIVES:
            raise BadInput(
                f"sentence_objective is {sentence_objective!r}; expected one of {', '.join(OBJECTIVES)}, or None."
            )
        if not 0 <= sentence_loss_weight < float("inf"):
            raise BadInput(f"sentence_loss_weight is {sentence_loss_weight!r}; expected a number of at least 0.")
        config = backbone.config

        # === Layers ===
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.mlm_head = MaskedLMHead(
            backbone.embeddings,
            activation=config.activation,
            layer_norm_epsilon=config.layer_norm_epsilon,
            initializer_range=config.initializer_range,
            dtype=backbone.dtype_policy,
            name="mlm_head",
        )
        self.sentence_head = None
        if sentence_objective:
            # Float32 under every policy: the loss is made of it.
            self.sentence_head = Linear(
                2, initializer_range=config.initializer_range, dtype="float32", name="sentence_head"
            )

        # === Functional Model ===
        inputs = {**backbone.input, "mask_positions": keras.Input((None,), dtype="int32", name="mask_positions")}
        encoded = backbone(backbone.input)
        outputs = {"mlm_logits": self.mlm_head(encoded["sequence_output"], inputs["mask_positions"])}
        if self.sentence_head:
            outputs["sentence_logits"] = self.sentence_head(encoded["pooled_output"])

        # === Config ===
        self.sentence_objective = sentence_objective
        self.sentence_loss_weight = sentence_loss_weight
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

    # === Presets ===

    @classmethod
    def from_preset(cls, preset, load_weights=True, fresh_head=True, **kwargs):
        """A model from a preset; arguments as for `BertTask.from_preset`.

        A Hugging Face directory with the heads of `BertForPreTraining` or `BertForMaskedLM` keeps them; where it has no
        sentence head, `sentence_objective` is None unless given. With another `sentence_objective` than the preset's,
        the sentence head is a random one. A random start from a named size has a token table as long as the vocabulary.

        Args:
            fresh_head: bool. Whether a preset without a masked language model's head gets a random one.

        Raises:
            BadInput: see `bert_keras.presets.find`; or there is no head and `fresh_head` is False.
        """
        found = presets.find(preset)
        is_whole = presets.saved_task_name(found) == cls.__name__ and load_weights
        if is_whole and not {"sentence_objective", "sentence_loss_weight"} & set(kwargs):
            return super().from_preset(preset, **kwargs)
        heads, objective = cls._saved_heads(found) if load_weights else ({}, None)
        if not heads and not fresh_head:
            raise BadInput(
                f"The preset {found.name} has no head for masked words; expected what `bert-keras pretrain` wrote, or "
                "a Hugging Face directory of a BertForPreTraining or BertForMaskedLM."
            )
        if heads:
            kwargs.setdefault("sentence_objective", objective)
        model = super().from_preset(preset, load_weights, **kwargs)
        if model.sentence_objective != objective:
            heads = {path: value for path, value in heads.items() if not path.startswith("sentence_head/")}
        presets.assign(model, heads, found.path)
        return model

    @classmethod
    def _saved_heads(cls, found):
        """The heads' weights that a preset has, by path, and what its sentence head was trained for."""
        if found.kind == presets.HUGGING_FACE:
            heads = huggingface.pretraining_weights(huggingface.read_tensors(found.path), found.path)
            return heads, "nsp" if "sentence_head/kernel" in heads else None
        if presets.saved_task_name(found) != cls.__name__:
            return {}, None
        saved = super().from_preset(found.path)
        heads = {weight.path: weight.numpy() for weight in saved.weights if "_head/" in weight.path}
        return heads, saved.sentence_objective

    @classmethod
    def _load_backbone(cls, preset, load_weights, vocabulary, dtype):
        found, fields = presets.find(preset), {}
        if found.kind == presets.RANDOM_START and not load_weights and vocabulary is not None:
            # Rows of the token table without a piece would be predicted like any other, for nothing.
            size = presets.load_tokenizer(preset, vocabulary).vocabulary_size()
            fields["vocabulary_size"] = min(size, BertConfig.from_name(found.name).vocabulary_size)
        return presets.load_backbone(preset, load_weights, dtype=dtype, **fields)

    @classmethod
    def preprocessor_options(cls, kwargs):
        return {}

    # === Training ===

    def compile(self, optimizer=None, accumulate=1, recompute=False, jit_compile=False, dropout=None, **kwargs):
        """Chooses how to train.

        Args:
            optimizer: a Keras optimizer; None = `AdamW` with a constant learning rate of 1e-4.
            accumulate: int. In how many parts each replica works through its share of a batch, one after the other: as
                many times less memory, the same gradient.
            recompute: bool. Less memory for about a third more work; see `EncoderBlock`.
            jit_compile: bool. XLA; batches must have fixed shapes.
            dropout: float in [0, 1), the rate in the whole encoder; None leaves it as it is. The preset that is saved
                keeps the encoder's own: a small model, or one that sees its text once, does better without dropout
                while it is pretrained (Lan et al. 2020; Geiping & Goldstein 2023), not while it is fine-tuned.
            **kwargs: `steps_per_execution`, `run_eagerly`, as in `keras.Model.compile`.
        """
        check_parts(accumulate)
        self._parts = accumulate
        for block in self.backbone.blocks:
            block.recompute = recompute
        if dropout is not None:
            set_dropout(self.backbone, dropout)
        # Optimizer and metrics hold variables, which must be made under the strategy that trains them.
        with self.distribute_strategy.scope():
            self._figures = PretrainingMetrics(self.sentence_objective)
            optimizer = AdamW(1e-4) if optimizer is None else optimizer
            super().compile(optimizer=optimizer, jit_compile=jit_compile, **kwargs)
        self._encode = RowEncoder(self.backbone)

    @property
    def metrics(self):
        return self._figures.all

    @property
    def learnt_variables(self):
        """The trainable variables that the loss depends on."""
        resting = set() if self.sentence_head else {id(variable) for variable in self.backbone.pooler.weights}
        return [variable for variable in self.trainable_variables if id(variable) not in resting]

    def train_step(self, data):
        rows = self._checked(data)
        totals, variables = self._totals(rows), self.learnt_variables

        def gradients_and_sums(part):
            with tf.GradientTape() as tape:
                sums = self._sums(part, training=True)
                loss = self._loss(sums, totals)
            gradients = tape.gradient(loss, [variable.value for variable in variables])
            return [tf.convert_to_tensor(gradient) for gradient in gradients], sums

        nothing = [tf.zeros(variable.shape, variable.dtype) for variable in variables], self._no_sums()
        gradients, sums = summed_over_parts(gradients_and_sums, rows, self._parts, nothing)
        self.optimizer.apply(gradients, variables)
        self._figures.update(self._loss(sums, totals), sums)
        return self.get_metrics_result()

    def test_step(self, data):
        rows = self._checked(data)
        totals = self._totals(rows)
        sums = summed_over_parts(lambda part: self._sums(part, training=False), rows, self._parts, self._no_sums())
        self._figures.update(self._loss(sums, totals), sums)
        return self.get_metrics_result()

    def preprocess_samples(self, x, y=None, sample_weight=None):
        """Lets rows through as they are: what is pretrained on is made of ids."""
        return keras.utils.pack_x_y_sample_weight(x, y, sample_weight)

    def _checked(self, data):
        rows, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        needed = ["token_ids", "segment_ids", "padding_mask", *MASKED]
        if self.sentence_head:
            needed += SENTENCES if SEQUENCE_IDS in rows else SENTENCE
        missing = [name for name in needed if name not in rows]
        if missing:
            hint = "; build the model with sentence_objective=None" if missing[0].startswith("sentence_") else ""
            raise BadInput(f"The rows have no {missing[0]!r}, which this model learns from{hint}.")
        return {name: rows[name] for name in (*needed, SEQUENCE_IDS, POSITION_IDS) if name in rows}

    def _sums(self, rows, training):
        """Sums of losses and right predictions over masked positions and over sentence labels; and how many they are.

        Packed rows have several labels each; all count alike.
        """
        sequence, pooled = self._encode(rows, training)
        logits = self.mlm_head(sequence, rows["mask_positions"])
        sums = _sums_of(MLM_SUMS, logits, rows["mask_ids"], rows["mask_weights"])
        sums[TOKENS] = tf.cast(tf.math.count_nonzero(rows["padding_mask"]), tf.float32)
        if self.sentence_head:
            if pooled is None:
                first = tf.gather(sequence, rows["sentence_positions"], batch_dims=1)
                pooled = self.backbone.pooler.dense(first)
            labels, weights = _sentences(rows)
            sums |= _sums_of(SENTENCE_SUMS, self.sentence_head(pooled), labels, weights)
        return sums

    def _totals(self, rows):
        """By how much to divide the sums of losses: masked positions, and labels, of the batch of all replicas."""
        masks = tf.reduce_sum(rows["mask_weights"])
        sentences = tf.reduce_sum(_sentences(rows)[1]) if self.sentence_head else tf.constant(0.0)
        context = tf.distribute.get_replica_context()
        if context is not None and context.num_replicas_in_sync > 1:
            masks, sentences = context.all_reduce(tf.distribute.ReduceOp.SUM, [masks, sentences])
        return {"masks": masks, "sentences": sentences}

    def _no_sums(self):
        names = (*MLM_SUMS, TOKENS, *(SENTENCE_SUMS if self.sentence_head else ()))
        return {name: tf.constant(0.0) for name in names}

    def _loss(self, sums, totals):
        loss = tf.math.divide_no_nan(sums["mlm_loss"], totals["masks"])
        if self.sentence_head:
            loss += self.sentence_loss_weight * tf.math.divide_no_nan(sums["sentence_loss"], totals["sentences"])
        return loss

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        require_one_machine(self.distribute_strategy, "fit and evaluate run", "a PretrainingRun on several")
        # Under a strategy Keras would take a batch from the data to find out what to build; only the optimizer is not
        # built, and what it needs is known.
        with self.distribute_strategy.scope():
            self.build_optimizer()

    def build_optimizer(self):
        """Makes the optimizer's variables; training does it by itself."""
        if not self.optimizer.built:
            self.optimizer.build(self.learnt_variables)

    def get_config(self):
        return {
            **super().get_config(),
            "sentence_objective": self.sentence_objective,
            "sentence_loss_weight": self.sentence_loss_weight,
        }


def _sentences(rows):
    """Sentence labels and their weights."""
    if SENTENCE[0] in rows:
        return rows[SENTENCE[0]], tf.ones_like(rows[SENTENCE[0]], tf.float32)
    return rows["sentence_labels"], rows["sentence_weights"]


def _sums_of(names, logits, targets, weights):
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=targets, logits=logits)
    right = tf.cast(ops.equal(tf.argmax(logits, axis=-1, output_type=targets.dtype), targets), tf.float32)
    values = (losses * weights, right * weights, weights)
    return {name: tf.reduce_sum(value) for name, value in zip(names, values)}
