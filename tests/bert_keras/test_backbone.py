"""BertBackbone: its outputs and options, packed rows beside padded ones, files, dtypes."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_keras import BertBackbone, BertConfig


def random_inputs(lengths, width=None, seed=0, vocabulary_size=20):
    """Rows of random tokens of these lengths, padded to `width`, two segments in each."""
    random = np.random.default_rng(seed)
    width = width or max(lengths)
    ids = random.integers(5, vocabulary_size, (len(lengths), width)).astype("int32")
    mask = (np.arange(width)[None, :] < np.array(lengths)[:, None]).astype("int32")
    segments = (np.arange(width)[None, :] >= np.array(lengths)[:, None] // 2).astype("int32")
    return {"token_ids": ids * mask, "segment_ids": segments * mask, "padding_mask": mask}


def arrays(outputs):
    return keras.tree.map_structure(np.asarray, outputs)


@pytest.fixture(scope="module")
def speaking(make_backbone):
    return make_backbone(output_hidden_states=True, output_attentions=True)


@pytest.fixture(scope="module")
def spoken(speaking):
    return arrays(speaking(random_inputs([9, 4, 1])))


class TestOutputs:
    def test_sequence_and_pooled_output_and_nothing_else(self, tiny_backbone):
        outputs = arrays(tiny_backbone(random_inputs([9, 4])))
        assert {name: (value.shape, value.dtype.name) for name, value in outputs.items()} == {
            "sequence_output": ((2, 9, 32), "float32"),
            "pooled_output": ((2, 32), "float32"),
        }

    def test_pooled_output_is_made_of_the_first_token(self, tiny_backbone):
        outputs = arrays(tiny_backbone(random_inputs([9, 4])))
        kernel, bias = (np.asarray(weight) for weight in tiny_backbone.pooler.weights)
        expected = np.tanh(outputs["sequence_output"][:, 0] @ kernel + bias)
        np.testing.assert_allclose(outputs["pooled_output"], expected, atol=1e-6)

    def test_hidden_states_run_from_the_embeddings_to_the_last_block(self, speaking, spoken):
        states, inputs = spoken["hidden_states"], random_inputs([9, 4, 1])
        assert len(states) == 3
        embedded = np.asarray(speaking.embeddings(inputs["token_ids"], inputs["segment_ids"]))
        np.testing.assert_allclose(states[0], embedded, atol=1e-6)
        np.testing.assert_array_equal(states[-1], spoken["sequence_output"])

    def test_each_hidden_state_is_its_block_of_the_one_before(self, speaking, spoken):
        bias = speaking.attention_bias(random_inputs([9, 4, 1])["padding_mask"])
        for index, block in enumerate(speaking.blocks):
            expected = np.asarray(block(spoken["hidden_states"][index], attention_bias=bias))
            np.testing.assert_allclose(spoken["hidden_states"][index + 1], expected, atol=1e-5)

    def test_attention_maps_sum_to_1_without_weight_on_padding(self, spoken):
        assert [a.shape for a in spoken["attentions"]] == [(3, 2, 9, 9)] * 2
        for maps in spoken["attentions"]:
            np.testing.assert_allclose(maps.sum(-1), 1, atol=1e-6)
            for row, length in enumerate([9, 4, 1]):
                assert (maps[row, :, :, length:] == 0).all()

    def test_asking_for_more_outputs_changes_none(self, make_backbone, spoken):
        plain = arrays(make_backbone()(random_inputs([9, 4, 1])))
        for name, value in plain.items():
            np.testing.assert_allclose(value, spoken[name], atol=1e-6)

    def test_a_row_without_a_token_gives_numbers(self, tiny_backbone):
        outputs = arrays(tiny_backbone(random_inputs([3, 0])))
        assert np.isfinite(outputs["sequence_output"]).all() and np.isfinite(outputs["pooled_output"]).all()

    def test_segments_and_order_matter(self, tiny_backbone):
        inputs = random_inputs([6])
        one = arrays(tiny_backbone(inputs))["pooled_output"]
        other = arrays(tiny_backbone({**inputs, "segment_ids": 1 - inputs["segment_ids"]}))["pooled_output"]
        reverse = arrays(tiny_backbone({**inputs, "token_ids": inputs["token_ids"][:, ::-1]}))["pooled_output"]
        assert np.abs(one - other).max() > 1e-3 and np.abs(one - reverse).max() > 1e-3

    @settings(max_examples=15, deadline=None)
    @given(
        lengths=st.lists(st.integers(1, 12), min_size=1, max_size=4), more=st.integers(1, 15), seed=st.integers(0, 9)
    )
    def test_longer_padding_changes_no_output(self, tiny_backbone, lengths, more, seed):
        short = random_inputs(lengths, seed=seed, width=max(2, *lengths))
        long = {name: np.pad(value, ((0, 0), (0, more))) for name, value in short.items()}
        short, long, mask = arrays(tiny_backbone(short)), arrays(tiny_backbone(long)), short["padding_mask"] == 1
        width = mask.shape[1]
        np.testing.assert_allclose(long["pooled_output"], short["pooled_output"], atol=1e-5)
        np.testing.assert_allclose(long["sequence_output"][:, :width][mask], short["sequence_output"][mask], atol=1e-5)


class TestPacked:
    @pytest.fixture(scope="class", params=["learned", "sinusoidal"])
    def padded_and_packed(self, request, make_backbone):
        backbone = make_backbone(position_embedding=request.param, max_sequence_length=64)
        return backbone, backbone.packed()

    @settings(max_examples=15, deadline=None)
    @given(
        lengths=st.lists(st.integers(1, 8), min_size=1, max_size=5), padding=st.integers(1, 6), seed=st.integers(0, 9)
    )
    def test_packed_rows_equal_padded_rows(self, padded_and_packed, lengths, padding, seed):
        backbone, packed = padded_and_packed
        inputs = random_inputs(lengths, seed=seed, width=max(2, *lengths))
        real = inputs["padding_mask"] == 1
        row = {name: np.pad(inputs[name][real], (0, padding))[None] for name in ("token_ids", "segment_ids")}
        sequences = np.repeat(np.arange(1, len(lengths) + 1), lengths)
        row["sequence_ids"] = np.pad(sequences, (0, padding))[None].astype("int32")
        found = np.asarray(packed(row)["sequence_output"])[0, : sum(lengths)]
        np.testing.assert_allclose(found, np.asarray(backbone(inputs)["sequence_output"])[real], atol=1e-5)

    def test_several_rows_may_be_packed_differently(self, tiny_backbone):
        inputs = random_inputs([4, 4, 4, 4])
        ids, segments = inputs["token_ids"], inputs["segment_ids"]
        row = {
            "token_ids": np.concatenate([ids[:2].reshape(1, 8), ids[2:].reshape(1, 8)]),
            "segment_ids": np.concatenate([segments[:2].reshape(1, 8), segments[2:].reshape(1, 8)]),
            "sequence_ids": np.array([[1] * 4 + [2] * 4, [7] * 4 + [3] * 4], "int32"),
        }
        found = np.asarray(tiny_backbone.packed()(row)["sequence_output"]).reshape(4, 4, 32)
        np.testing.assert_allclose(found, np.asarray(tiny_backbone(inputs)["sequence_output"]), atol=1e-5)

    def test_packed_and_padded_share_their_weights(self, make_backbone):
        backbone = make_backbone()
        packed = backbone.packed()
        assert {id(weight) for weight in packed.weights} <= {id(weight) for weight in backbone.weights}
        assert packed.count_params() == backbone.count_params() - 32 * 33  # all but the pooler


class TestDtypes:
    def test_bfloat16_is_close_to_float32(self, make_backbone):
        full, half = make_backbone(), make_backbone(dtype="mixed_bfloat16")
        half.set_weights(full.get_weights())
        inputs = random_inputs([9, 4])
        expected, found = full(inputs), half(inputs)
        for name in expected:
            assert keras.backend.standardize_dtype(found[name].dtype) == "bfloat16"
            values = np.asarray(keras.ops.cast(found[name], "float32"))
            np.testing.assert_allclose(values, np.asarray(expected[name]), atol=0.06)

    def test_weights_stay_float32_under_mixed_bfloat16(self, make_backbone):
        assert {weight.dtype for weight in make_backbone(dtype="mixed_bfloat16").weights} == {"float32"}

    def test_dropout_is_there_in_training_only(self, make_backbone):
        backbone, inputs = make_backbone(dropout=0.3), random_inputs([9])
        first = np.asarray(backbone(inputs, training=False)["pooled_output"])
        np.testing.assert_array_equal(first, np.asarray(backbone(inputs)["pooled_output"]))
        assert np.abs(np.asarray(backbone(inputs, training=True)["pooled_output"]) - first).max() > 1e-2


class TestConfig:
    def test_a_config_its_dict_and_its_fields_make_the_same_encoder(self):
        config = BertConfig(vocabulary_size=20, num_layers=1, num_heads=1, hidden_dim=8, intermediate_dim=8)
        for backbone in (BertBackbone(config), BertBackbone(config.to_dict()), BertBackbone(**config.to_dict())):
            assert backbone.config == config

    def test_fields_beside_a_config_replace_its_own(self):
        config = BertConfig(vocabulary_size=20, num_layers=1, num_heads=1, hidden_dim=8, intermediate_dim=8)
        assert BertBackbone(config, dropout=0.0).config.dropout == 0.0

    def test_config_and_weights_give_the_encoder_back(self, speaking, spoken):
        back = BertBackbone.from_config(speaking.get_config())
        back.set_weights(speaking.get_weights())
        found = arrays(back(random_inputs([9, 4, 1])))
        keras.tree.map_structure(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), found, spoken)

    def test_name_trainable_and_dtype_come_back(self, make_backbone):
        backbone = make_backbone(name="encoder", trainable=False, dtype="mixed_bfloat16")
        back = BertBackbone.from_config(backbone.get_config())
        assert (back.name, back.trainable, back.dtype_policy.name) == ("encoder", False, "mixed_bfloat16")

    def test_a_keras_file_gives_the_encoder_back(self, speaking, spoken, tmp_path):
        speaking.save(tmp_path / "encoder.keras")
        found = arrays(keras.models.load_model(tmp_path / "encoder.keras")(random_inputs([9, 4, 1])))
        keras.tree.map_structure(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), found, spoken)

    def test_a_preset_gives_the_encoder_back(self, speaking, spoken, tmp_path):
        speaking.save_to_preset(str(tmp_path / "preset"))
        found = arrays(BertBackbone.from_preset(str(tmp_path / "preset"))(random_inputs([9, 4, 1])))
        keras.tree.map_structure(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), found, spoken)

    def test_a_preset_without_its_weights_starts_anew(self, speaking, tmp_path):
        speaking.save_to_preset(str(tmp_path / "preset"))
        back = BertBackbone.from_preset(str(tmp_path / "preset"), load_weights=False)
        assert back.config == speaking.config
        assert np.abs(back.get_weights()[0] - speaking.get_weights()[0]).max() > 1e-3

    def test_arguments_replace_those_of_a_preset(self, tiny_backbone, tmp_path):
        tiny_backbone.save_to_preset(str(tmp_path / "preset"))
        back = BertBackbone.from_preset(str(tmp_path / "preset"), dropout=0.0, output_attentions=True)
        assert back.config.dropout == 0.0 and back.output_attentions

    def test_the_token_table_is_the_embeddings_first_weight(self, tiny_backbone, pieces):
        assert tuple(tiny_backbone.token_embedding.token_table.shape) == (len(pieces), 32)

    def test_lora_is_refused_instead_of_freezing_everything(self, make_backbone):
        backbone = make_backbone()
        with pytest.raises(NotImplementedError, match="no LoRA"):
            backbone.enable_lora(4)
        assert len(backbone.trainable_weights) == len(backbone.weights)
