"""Writes hf_tiny/ and hf_tiny_*/: Hugging Face directories of a tiny random BERT and its heads, with their outputs.

Run with the peers' Python: `.venv-peers/bin/python tests/golden/make_hf_tiny.py`.
Every weight is random, the LayerNorms' and biases too, and large enough for each to show in the outputs.
`hf_tiny/outputs.npz` holds the outputs of the same weights under three activations (config.json says `gelu`);
the other folders' `outputs.npz` the logits of a BertForSequenceClassification, BertForTokenClassification and
BertForQuestionAnswering, whose encoder tensors carry "bert.".
"""

import json
import pathlib

import numpy as np
import torch
import transformers

HERE = pathlib.Path(__file__).parent
ACTIVATIONS = ("gelu", "gelu_new", "relu")
WORDS = (
    "the a film movie plot actor was is not very good bad fun dull great poor sad long short i we loved hated it and"
)
PIECES = "##s ##ed ##ing ##ly un ##able"
VOCABULARY = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS.split(), *PIECES.split(), *".,!?'-", *"bcdefghjklmnopqrs",
]  # fmt: skip
BATCH = {
    "token_ids": [[2, 5, 7, 11, 15, 3, 20, 21, 3], [2, 24, 27, 29, 8, 35, 3, 0, 0], [2, 16, 3, 0, 0, 0, 0, 0, 0]],
    "segment_ids": [[0, 0, 0, 0, 0, 0, 1, 1, 1], [0] * 9, [0] * 9],
    "padding_mask": [[1] * 9, [1] * 7 + [0] * 2, [1] * 3 + [0] * 6],
}


def main():
    write_encoder(HERE / "hf_tiny")
    write_classifier(HERE / "hf_tiny_classifier")
    write_token_classifier(HERE / "hf_tiny_token_classifier")
    write_question_answerer(HERE / "hf_tiny_question_answerer")


def config(**fields):
    return transformers.BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=40,
        **fields,
    )


def write_encoder(folder):
    outputs = {}
    for activation in ACTIVATIONS:
        model = randomize(transformers.BertModel(config(hidden_act=activation), add_pooling_layer=True))
        if activation == ACTIVATIONS[0]:
            save(model, folder)
        result = run(model)
        outputs[f"sequence_output_{activation}"] = result.last_hidden_state.numpy()
        outputs[f"pooled_output_{activation}"] = result.pooler_output.numpy()
    np.savez_compressed(folder / "outputs.npz", **as_arrays(BATCH), **outputs)


def write_classifier(folder):
    labels = {0: "dull", 1: "fair", 2: "fun"}
    fields = config(layer_norm_eps=1e-5, id2label=labels, label2id={name: number for number, name in labels.items()})
    model = randomize(transformers.BertForSequenceClassification(fields))
    save(model, folder)
    np.savez_compressed(folder / "outputs.npz", **as_arrays(BATCH), logits=run(model).logits.numpy())


def write_token_classifier(folder):
    names = ("B-PER", "I-PER", "O", "B-LOC", "I-LOC")  # not in our own order, on purpose
    fields = config(id2label=dict(enumerate(names)), label2id={name: number for number, name in enumerate(names)})
    # Without a pooler, as transformers builds it.
    model = randomize(transformers.BertForTokenClassification(fields))
    save(model, folder)
    np.savez_compressed(folder / "outputs.npz", **as_arrays(BATCH), logits=run(model).logits.numpy())


def write_question_answerer(folder):
    model = randomize(transformers.BertForQuestionAnswering(config()))
    save(model, folder)
    result = run(model)
    logits = {"start_logits": result.start_logits.numpy(), "end_logits": result.end_logits.numpy()}
    np.savez_compressed(folder / "outputs.npz", **as_arrays(BATCH), **logits)


def randomize(model):
    generator = torch.Generator().manual_seed(11)
    for name, weight in model.named_parameters():
        noise = torch.randn(weight.shape, generator=generator)
        weight.data = 1 + 0.2 * noise if name.endswith("LayerNorm.weight") else 0.3 * noise
    return model.eval()


def save(model, folder):
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    settings = {"do_lower_case": True, "tokenizer_class": "BertTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def run(model):
    ids, segments, mask = (torch.tensor(BATCH[name]) for name in ("token_ids", "segment_ids", "padding_mask"))
    with torch.inference_mode():
        return model(input_ids=ids, token_type_ids=segments, attention_mask=mask)


def as_arrays(batch):
    return {name: np.asarray(rows, "int32") for name, rows in batch.items()}


if __name__ == "__main__":
    main()
