"""Pretraining's model: what it learns from, exact figures, accumulation, recomputation, kinds of rows, presets."""

import numpy as np
import pytest

from bert_keras.errors import BadInput
from tests.bert_keras.masked_rows import PIECES, draw_rows
from tests.bert_keras.tiny_encoder import tiny_encoder

# Plain gradient descent: a wrong gradient shows in the weights as it is, where Adam would make steps of one size of it.
RATE = 0.5


@pytest.fixture(scope="module")
def make_model():
    """`make_model(seed=0, dropout=0.0, compiled with …, **options)`: an untrained model, to be trained by plain SGD."""
    import keras

    from bert_keras import MaskedTextPreprocessor, PretrainingModel, WordPieceTokenizer

    def make(seed=0, dropout=0.0, num_layers=1, optimizer=None, options=None, **compiled):
        backbone = tiny_encoder(PIECES, seed, num_layers=num_layers, dropout=dropout, attention_dropout=dropout)
        preprocessor = MaskedTextPreprocessor(WordPieceTokenizer(list(PIECES)), max_length=12)
        model = PretrainingModel(backbone, preprocessor, **(options or {}))
        model.compile(optimizer or keras.optimizers.SGD(RATE), **compiled)
        return model

    return make


@pytest.fixture(scope="module")
def train():
    """`train(model, rows, batch_size, epochs)`: the last epoch's figures, and the weights by path."""

    def run(model, rows, batch_size, epochs=1):
        import tensorflow as tf

        # XLA wants fixed shapes; all rows are in whole batches.
        dataset = tf.data.Dataset.from_tensor_slices(rows).batch(batch_size, drop_remainder=True)
        history = model.fit(dataset, epochs=epochs, verbose=0, shuffle=False).history
        figures = {name: values[-1] for name, values in history.items()}
        return figures, {weight.path: weight.numpy() for weight in model.trainable_weights}

    return run


@pytest.fixture(scope="module")
def whole(make_model, train):
    """Two batches of 8 rows in one part."""
    return train(make_model(), draw_rows(16), 8)


def assert_equal(found, expected, atol=1e-5):
    figures, weights = found
    assert figures.keys() == expected[0].keys() and weights.keys() == expected[1].keys()
    for name, value in expected[0].items():
        assert figures[name] == pytest.approx(value, rel=1e-4), name
    for path, value in expected[1].items():
        np.testing.assert_allclose(weights[path], value, rtol=0, atol=atol, err_msg=path)


def test_it_learns_masked_words_and_sentence_labels(make_model, train):
    from bert_keras.training.optimizer import AdamW

    model = make_model(optimizer=AdamW(5e-3))
    figures, _ = train(model, draw_rows(256), 32, epochs=12)
    assert figures["mlm_accuracy"] > 0.9 and figures["nsp_accuracy"] > 0.9 and figures["perplexity"] < 2
    assert [candidates[0]["token"] for candidates in model.fill_masks(["a a [MASK] a", "k [MASK] k k k"])[0]] == ["a"]


@pytest.mark.parametrize("parts", [2, 3, 8])
def test_parts_of_a_batch_make_the_step_of_the_whole_batch(whole, make_model, train, parts):
    """Parts have different numbers of masks, and 3 does not divide the 8 rows."""
    assert_equal(train(make_model(accumulate=parts), draw_rows(16), 8), whole)


def test_parts_make_the_step_of_the_whole_batch_under_xla(whole, make_model, train):
    assert_equal(train(make_model(accumulate=2, jit_compile=True), draw_rows(16), 8), whole)


def test_tokens_are_counted_without_padding(whole):
    assert whole[0]["tokens"] == draw_rows(16)["padding_mask"].sum()


def test_evaluation_counts_positions_alike_whatever_batch_they_are_in(make_model):
    import tensorflow as tf

    model, rows = make_model(), draw_rows(11, seed=3)
    found = [
        model.evaluate(tf.data.Dataset.from_tensor_slices(rows).batch(size), verbose=0, return_dict=True)
        for size in (11, 4)
    ]
    outputs = model({name: rows[name] for name in ("token_ids", "segment_ids", "padding_mask", "mask_positions")})
    logits, used = np.asarray(outputs["mlm_logits"]), rows["mask_weights"] == 1
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    of_ids = np.take_along_axis(log_p, rows["mask_ids"][..., None], axis=-1)[..., 0]
    for figures in found:
        assert figures["mlm_loss"] == pytest.approx(-of_ids[used].mean(), rel=1e-5)
        assert figures["mlm_accuracy"] == pytest.approx((logits.argmax(-1) == rows["mask_ids"])[used].mean())
        nsp = np.asarray(outputs["sentence_logits"]).argmax(-1) == rows["sentence_label"]
        assert figures["nsp_accuracy"] == pytest.approx(nsp.mean())


def test_the_end_of_rows_of_unknown_number_is_no_step_of_its_own(make_model):
    import tensorflow as tf

    dataset = tf.data.Dataset.from_tensors(draw_rows(8))
    model = make_model()
    known = model.evaluate(dataset, verbose=0, return_dict=True)
    unknown = model.evaluate(dataset.filter(lambda row: True), verbose=0, return_dict=True)
    assert unknown == pytest.approx(known)


def test_the_loss_weighs_the_sentence_objective_by_lambda(make_model):
    import tensorflow as tf

    dataset = tf.data.Dataset.from_tensors(draw_rows(8))
    for weight in (0.0, 1.0, 2.5):
        model = make_model(options={"sentence_loss_weight": weight})
        figures = model.evaluate(dataset, verbose=0, return_dict=True)
        assert figures["loss"] == pytest.approx(figures["mlm_loss"] + weight * figures["nsp_loss"], rel=1e-5)


def test_recomputation_gives_the_same_weights_dropout_included(make_model, train):
    """With another draw of dropout the second time, the gradient would be that of another network."""
    rows = draw_rows(16)
    found = []
    for recompute in (False, True):
        model = make_model(dropout=0.3, num_layers=2, recompute=recompute)
        for number, layer in enumerate(model._flatten_layers()):
            for generator in getattr(layer, "_seed_generators", []):
                generator.state.assign(np.asarray([7, number], "uint32"))
        found.append(train(model, rows, 8))
    assert_equal(found[1], found[0])


def test_recomputation_and_parts_go_together_under_mixed_precision(make_model, train):
    import keras

    from bert_keras import PretrainingModel

    backbone = tiny_encoder(PIECES, num_layers=1, dtype="mixed_bfloat16", dropout=0.1)
    model = PretrainingModel(backbone)
    model.compile(keras.optimizers.SGD(0.1), recompute=True, accumulate=2)
    figures, weights = train(model, draw_rows(16), 8)
    assert np.isfinite(figures["loss"]) and all(value.dtype == np.float32 for value in weights.values())


def test_without_a_sentence_objective_rows_need_no_label_and_the_pooler_rests(make_model, train):
    model = make_model(options={"sentence_objective": None})
    before = model.backbone.pooler.dense.kernel.numpy()
    rows = draw_rows(8)
    del rows["sentence_label"]
    figures, _ = train(model, rows, 8)
    assert sorted(figures) == ["loss", "mlm_accuracy", "mlm_loss", "perplexity", "tokens"]
    np.testing.assert_array_equal(model.backbone.pooler.dense.kernel.numpy(), before)


def test_packed_rows_give_the_losses_and_the_step_of_rows_of_their_own(make_model, train):
    """Two sequences side by side in one row, beside each in a row of its own."""
    rows = draw_rows(8, seed=5, length=10)
    lengths = rows["padding_mask"].sum(axis=1)
    packed = {name: np.zeros((4, 20), "int32") for name in ("token_ids", "segment_ids", "padding_mask", "sequence_ids")}
    packed |= {name: np.zeros((4, 6), rows[name].dtype) for name in ("mask_positions", "mask_ids", "mask_weights")}
    packed |= {name: np.zeros((4, 3), "int32") for name in ("sentence_positions", "sentence_labels")}
    packed["sentence_weights"] = np.zeros((4, 3), "float32")
    for row in range(8):
        place, half = divmod(row, 2)
        begin = lengths[row - 1] if half else 0
        span = slice(begin, begin + lengths[row])
        for name in ("token_ids", "segment_ids", "padding_mask"):
            packed[name][place, span] = rows[name][row, : lengths[row]]
        packed["sequence_ids"][place, span] = half + 1
        masks = slice(3 * half, 3 * half + 3)
        packed["mask_positions"][place, masks] = rows["mask_positions"][row] + begin
        for name in ("mask_ids", "mask_weights"):
            packed[name][place, masks] = rows[name][row]
        packed["sentence_positions"][place, half] = begin
        packed["sentence_labels"][place, half] = rows["sentence_label"][row]
        packed["sentence_weights"][place, half] = 1
    expected = train(make_model(), rows, 8)
    assert_equal(train(make_model(), packed, 4), expected)


def test_rows_say_their_positions_themselves_where_they_have_them(make_model, train):
    rows = draw_rows(8)
    counted = {**rows, "position_ids": np.tile(np.arange(12, dtype="int32"), (8, 1))}
    expected = train(make_model(), rows, 8)
    assert_equal(train(make_model(), counted, 8), expected)
    restarted = {**rows, "position_ids": np.tile(np.arange(12, dtype="int32") % 4, (8, 1))}
    assert abs(train(make_model(), restarted, 8)[0]["loss"] - expected[0]["loss"]) > 1e-4


def test_a_preset_comes_back_whole_and_gives_its_encoder_to_other_tasks(make_model, train, tmp_path):
    from bert_keras import PretrainingModel, TextClassifier

    model = make_model(options={"sentence_objective": "sop", "sentence_loss_weight": 0.5})
    train(model, draw_rows(16), 8)
    model.save_to_preset(str(tmp_path / "preset"))
    back = PretrainingModel.from_preset(str(tmp_path / "preset"))
    assert (back.sentence_objective, back.sentence_loss_weight, back.preprocessor.max_length) == ("sop", 0.5, 12)
    for weight, expected in zip(back.weights, model.weights, strict=True):
        np.testing.assert_array_equal(weight.numpy(), expected.numpy(), err_msg=weight.path)
    assert back.fill_masks(["a [MASK]"]) == model.fill_masks(["a [MASK]"])
    classifier = TextClassifier.from_preset(str(tmp_path / "preset"), labels=["no", "yes"])
    table = classifier.backbone.embeddings.token_table
    np.testing.assert_array_equal(table.numpy(), model.backbone.embeddings.token_table.numpy())
    other = PretrainingModel.from_preset(str(tmp_path / "preset"), sentence_objective="nsp", seed=3)
    np.testing.assert_array_equal(other.mlm_head.bias.numpy(), model.mlm_head.bias.numpy())
    assert np.abs(other.sentence_head.kernel.numpy() - model.sentence_head.kernel.numpy()).max() > 1e-3


def test_a_random_start_has_a_token_table_as_long_as_the_vocabulary():
    from bert_keras import PretrainingModel

    model = PretrainingModel.from_preset("tiny_uncased", load_weights=False, vocabulary=list(PIECES))
    assert model.backbone.embeddings.token_table.shape == (len(PIECES), 128)
    assert model.mlm_head.bias.shape == (len(PIECES),)


class TestFillMasks:
    def test_each_mask_has_its_candidates_with_falling_scores(self, make_model):
        ((first, second),) = make_model().fill_masks(["a [MASK] b [MASK]"], top_k=3)
        assert len(first) == len(second) == 3
        assert [c["score"] for c in first] == sorted((c["score"] for c in first), reverse=True)
        assert first[0]["text"] == f"a {first[0]['token']} b [MASK]"
        assert second[0]["text"] == f"a [MASK] b {second[0]['token']}"

    def test_scores_of_all_pieces_sum_to_1(self, make_model):
        ((candidates,),) = make_model().fill_masks(["a [MASK] b"], top_k=1000)
        assert len(candidates) == len(PIECES) and sum(c["score"] for c in candidates) == pytest.approx(1, abs=1e-5)

    def test_other_texts_of_a_call_change_nothing(self, make_model):
        model = make_model()
        alone = model.fill_masks(["a [MASK]"])[0][0]
        together = model.fill_masks(["b b b b b [MASK] b", "a [MASK]"])[1][0]
        assert [c["token"] for c in together] == [c["token"] for c in alone]
        assert [c["score"] for c in together] == pytest.approx([c["score"] for c in alone], abs=1e-5)

    @pytest.mark.parametrize(
        "texts, said",
        [
            (["a b"], r"text 1 has no \[MASK\]"),
            (["a [MASK]", ""], "text 2: the text is empty"),
            (["a " * 20 + "[MASK]"], r"text 1 has a \[MASK\] behind the first 12 tokens"),
            ("a [MASK]", "takes a list of texts"),
        ],
    )
    def test_what_cannot_be_filled_is_refused(self, make_model, texts, said):
        with pytest.raises(BadInput, match=said):
            make_model().fill_masks(texts)


@pytest.mark.parametrize(
    "options, said",
    [
        ({"sentence_objective": "next"}, "sentence_objective is 'next'; expected one of nsp, sop, or None"),
        ({"sentence_loss_weight": -1}, "sentence_loss_weight is -1"),
    ],
)
def test_bad_settings_are_refused(make_model, options, said):
    with pytest.raises(BadInput, match=said):
        make_model(options=options)


def test_rows_without_a_label_are_refused_by_a_model_with_a_sentence_objective(make_model, train):
    rows = draw_rows(4)
    del rows["sentence_label"]
    with pytest.raises(BadInput, match="no 'sentence_label', which this model learns from; build the model with"):
        train(make_model(run_eagerly=True), rows, 4)


def test_dropout_of_a_run_is_its_own_and_the_preset_keeps_the_encoders(make_model, train, tmp_path):
    """Without dropout the step is that of an encoder that never had any; what is saved has it again."""
    from bert_keras import BertBackbone

    plain, model = make_model(), make_model(dropout=0.3)
    model.compile(model.optimizer, dropout=0.0)
    for weight, value in zip(model.trainable_weights, plain.trainable_weights, strict=True):
        weight.assign(value)
    assert_equal(train(model, draw_rows(16), 8), train(plain, draw_rows(16), 8))
    model.save_to_preset(str(tmp_path / "preset"))
    config = BertBackbone.from_preset(str(tmp_path / "preset")).config
    assert (config.dropout, config.attention_dropout) == (0.3, 0.3)


@pytest.mark.parametrize(
    ("dropout", "said"), [(1.0, "dropout is 1.0; expected"), (0.1, "made without any; expected 0")]
)
def test_dropout_that_cannot_be_is_refused(make_model, dropout, said):
    with pytest.raises(BadInput, match=said):
        make_model().compile(dropout=dropout)
