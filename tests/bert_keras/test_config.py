"""BertConfig: sizes to the last parameter, JSON both ways, and a sentence for every bad value."""

import dataclasses
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_keras.backbone import BertBackbone
from bert_keras.config import ACTIVATIONS, NAMED_CONFIGS, POSITION_EMBEDDINGS, BertConfig
from bert_keras.errors import BadInput

# Counted by torch on transformers' BertModel of each config, pooler included.
PARAMETERS = {
    "tiny_uncased": 4_385_920,
    "tiny_cased": 4_190_592,
    "tiny_chinese": 3_183_488,
    "tiny_multilingual": 15_781_120,
    "mini_uncased": 11_170_560,
    "mini_cased": 10_779_904,
    "mini_chinese": 8_765_696,
    "mini_multilingual": 33_960_960,
    "small_uncased": 28_763_648,
    "small_cased": 27_982_336,
    "small_chinese": 23_953_920,
    "small_multilingual": 74_344_448,
    "medium_uncased": 41_373_184,
    "medium_cased": 40_591_872,
    "medium_chinese": 36_563_456,
    "medium_multilingual": 86_953_984,
    "base_uncased": 109_482_240,
    "base_cased": 108_310_272,
    "base_chinese": 102_267_648,
    "base_multilingual": 177_853_440,
    "large_uncased": 335_141_888,
    "large_cased": 333_579_264,
    "large_chinese": 325_522_432,
    "large_multilingual": 426_303_488,
}

HF_BASE = {
    "model_type": "bert",
    "vocab_size": 30522,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
}


class TestSizes:
    def test_the_table_knows_every_named_config(self):
        assert sorted(PARAMETERS) == sorted(NAMED_CONFIGS)

    @pytest.mark.parametrize("name", NAMED_CONFIGS)
    def test_the_parameter_count_is_exact(self, name):
        assert BertConfig.from_name(name).parameter_count() == PARAMETERS[name]

    @pytest.mark.parametrize("name", ["tiny_uncased", "tiny_chinese", "mini_cased"])
    def test_the_encoder_has_as_many_parameters_as_the_table_says(self, name):
        assert BertBackbone(BertConfig.from_name(name)).count_params() == PARAMETERS[name]

    def test_sinusoidal_positions_are_no_parameters(self):
        config = dataclasses.replace(BertConfig.from_name("tiny"), position_embedding="sinusoidal")
        assert config.parameter_count() == PARAMETERS["tiny_uncased"] - 512 * 128
        assert BertBackbone(config).count_params() == config.parameter_count()

    @pytest.mark.parametrize("size", ["tiny", "mini", "small", "medium", "base", "large"])
    def test_a_size_alone_is_uncased(self, size):
        assert BertConfig.from_name(size) is NAMED_CONFIGS[f"{size}_uncased"]

    def test_every_head_is_64_wide_and_the_inner_layer_four_times_the_width(self):
        for config in NAMED_CONFIGS.values():
            assert config.hidden_dim == 64 * config.num_heads
            assert config.intermediate_dim == 4 * config.hidden_dim

    def test_a_mistyped_name_brings_the_nearest(self):
        with pytest.raises(BadInput, match="'tiny_uncasd'; did you mean 'tiny_uncased'"):
            BertConfig.from_name("tiny_uncasd")

    def test_a_name_like_none_brings_them_all(self):
        with pytest.raises(BadInput, match="known names: tiny_uncased, .*large_multilingual"):
            BertConfig.from_name("xxl")

    def test_a_config_cannot_be_changed(self):
        with pytest.raises(dataclasses.FrozenInstanceError):
            BertConfig().num_layers = 3


def configs():
    number = st.integers(1, 10**6)
    rate = st.floats(0, 1, exclude_max=True)
    small = st.floats(0, 1, exclude_min=True, exclude_max=True)
    return st.builds(
        lambda heads, head_dim, **fields: BertConfig(num_heads=heads, hidden_dim=heads * head_dim, **fields),
        heads=st.integers(1, 64),
        head_dim=st.integers(1, 256),
        vocabulary_size=number,
        num_layers=number,
        intermediate_dim=number,
        max_sequence_length=number,
        num_segments=number,
        dropout=rate,
        attention_dropout=rate,
        activation=st.sampled_from(ACTIVATIONS),
        layer_norm_epsilon=small,
        position_embedding=st.sampled_from(POSITION_EMBEDDINGS),
        initializer_range=small,
    )


class TestJson:
    @given(configs())
    def test_json_gives_the_config_back(self, config):
        assert BertConfig.from_json(config.to_json()) == config

    @given(configs())
    def test_the_json_holds_each_field_under_its_name(self, config):
        assert json.loads(config.to_json()) == {f.name: getattr(config, f.name) for f in dataclasses.fields(config)}

    def test_a_file_is_read_by_its_path(self, tmp_path):
        config = BertConfig(num_layers=3)
        (tmp_path / "config.json").write_text(config.to_json())
        assert BertConfig.from_json(tmp_path / "config.json") == config
        assert BertConfig.from_json(str(tmp_path / "config.json")) == config

    def test_fields_left_out_are_those_of_bert_base(self):
        assert BertConfig.from_json("{}") == NAMED_CONFIGS["base_uncased"]

    @pytest.mark.parametrize("text, said", [
        ('{"num_layer": 3}', "no field 'num_layer'; did you mean 'num_layers'"),
        ('{"xyzzy": 3}', "no field 'xyzzy'; known fields: vocabulary_size, "),
        ('{"num_layers": 3', "the JSON text is not valid JSON"),
        ('{"num_layers": "3"}', "BertConfig.num_layers is '3'; expected a whole number"),
        ('{"dropout": NaN}', "BertConfig.dropout is nan"),
    ])  # fmt: skip
    def test_bad_json_is_told_in_a_sentence(self, text, said):
        with pytest.raises(BadInput) as caught:
            BertConfig.from_json(text)
        assert said in str(caught.value)

    @pytest.mark.parametrize("content, said", [
        (None, "Cannot read the config"),
        (b"[1, 2]", "holds a list; expected a JSON object"),
        (b"{", "is not valid JSON"),
        (b"\xff\xfe", "Cannot read the config"),
    ])  # fmt: skip
    def test_a_bad_file_is_named(self, tmp_path, content, said):
        path = tmp_path / "config.json"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(BadInput) as caught:
            BertConfig.from_json(path)
        assert said in str(caught.value) and str(path) in str(caught.value)


class TestHuggingFace:
    def test_their_base_is_our_base(self):
        assert BertConfig.from_hf(HF_BASE) == NAMED_CONFIGS["base_uncased"]

    def test_every_field_is_taken_over(self):
        fields = {
            "model_type": "bert",
            "vocab_size": 11,
            "num_hidden_layers": 3,
            "num_attention_heads": 2,
            "hidden_size": 8,
            "intermediate_size": 5,
            "max_position_embeddings": 7,
            "type_vocab_size": 4,
            "hidden_dropout_prob": 0.2,
            "attention_probs_dropout_prob": 0.3,
            "hidden_act": "gelu_new",
            "layer_norm_eps": 1e-6,
            "initializer_range": 0.05,
        }
        expected = BertConfig(11, 3, 2, 8, 5, 7, 4, 0.2, 0.3, "gelu_tanh", 1e-6, "learned", 0.05)
        assert BertConfig.from_hf(fields) == expected
        assert BertConfig.from_json(json.dumps(fields)) == expected

    @pytest.mark.parametrize("theirs, ours", [
        ("gelu", "gelu"),
        ("gelu_python", "gelu"),
        ("gelu_new", "gelu_tanh"),
        ("gelu_fast", "gelu_tanh"),
        ("gelu_pytorch_tanh", "gelu_tanh"),
        ("relu", "relu"),
    ])  # fmt: skip
    def test_activations_by_their_names(self, theirs, ours):
        assert BertConfig.from_hf({**HF_BASE, "hidden_act": theirs}).activation == ours

    @pytest.mark.parametrize("change, said", [
        ({"model_type": "roberta"}, "model_type 'roberta'; only 'bert'"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type 'relative_key'; expected 'absolute'"),
        ({"is_decoder": True}, "is_decoder true"),
        ({"hidden_act": "swish"}, "hidden_act 'swish'; expected one of gelu, "),
        ({"hidden_size": 100}, "hidden_dim is 100, which 12 heads do not divide"),
        ({"vocab_size": "many"}, "vocabulary_size is 'many'"),
    ])  # fmt: skip
    def test_what_is_no_bert_encoder_is_refused(self, change, said):
        with pytest.raises(BadInput) as caught:
            BertConfig.from_hf({**HF_BASE, **change}, "dir/config.json")
        assert said in str(caught.value)

    @pytest.mark.parametrize("field", [name for name in HF_BASE if name != "model_type"])
    def test_a_missing_field_is_named(self, field):
        with pytest.raises(BadInput, match=f"dir/config.json lacks the field '{field}'"):
            BertConfig.from_hf({name: value for name, value in HF_BASE.items() if name != field}, "dir/config.json")


WHOLE = [f.name for f in dataclasses.fields(BertConfig) if f.type in (int, "int")]


class TestBadValues:
    @pytest.mark.parametrize("field", WHOLE)
    @pytest.mark.parametrize("value", [0, -1, 1.5, "12", None, True, math.nan])
    def test_a_count_is_a_whole_number_of_at_least_1(self, field, value):
        with pytest.raises(BadInput, match=f"BertConfig.{field} is .*; expected a whole number of at least 1"):
            BertConfig(**{field: value})

    @pytest.mark.parametrize("field", ["dropout", "attention_dropout"])
    @pytest.mark.parametrize("value", [-0.1, 1.0, 2, math.nan, math.inf, "0.1", None, True])
    def test_a_rate_is_from_0_up_to_1(self, field, value):
        with pytest.raises(BadInput, match=f"BertConfig.{field} is .*; expected a number from 0"):
            BertConfig(**{field: value})

    @pytest.mark.parametrize("field", ["layer_norm_epsilon", "initializer_range"])
    @pytest.mark.parametrize("value", [0, 1, -1e-12, math.nan, "1e-12", None, False])
    def test_epsilon_and_range_are_between_0_and_1(self, field, value):
        with pytest.raises(BadInput, match=f"BertConfig.{field} is .*; expected a number between 0 and 1"):
            BertConfig(**{field: value})

    def test_heads_divide_the_width(self):
        with pytest.raises(BadInput, match="hidden_dim is 100, which 12 heads do not divide"):
            BertConfig(hidden_dim=100)

    @pytest.mark.parametrize("field, value, expected", [
        ("activation", "swish", "gelu, gelu_tanh, relu"),
        ("position_embedding", "rotary", "learned, sinusoidal"),
    ])  # fmt: skip
    def test_a_choice_is_one_of_those_listed(self, field, value, expected):
        with pytest.raises(BadInput, match=f"BertConfig.{field} is {value!r}; expected one of {expected}"):
            BertConfig(**{field: value})

    def test_a_bad_value_of_the_encoder_is_told_the_same_way(self):
        with pytest.raises(BadInput, match="no field 'num_layer'; did you mean 'num_layers'"):
            BertBackbone(num_layer=2)
