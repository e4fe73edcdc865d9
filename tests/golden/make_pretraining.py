"""Writes hf_tiny_pretraining/: a Hugging Face directory of a tiny random BertForPreTraining, with what it computes.

Run with the peers' Python: `.venv-peers/bin/python tests/golden/make_pretraining.py`.
`outputs.npz` holds a batch with masked positions, the logits of both heads there, the losses, and `gradients.npz` the
gradient of the summed loss by every weight, under transformers' names.
"""

import sys
from pathlib import Path

import numpy as np
import torch
import transformers

sys.path.insert(0, str(Path(__file__).parent))
import make_hf_tiny  # noqa: E402 - the neighbour has the config, the vocabulary, the batch and the random weights

FOLDER = Path(__file__).parent / "hf_tiny_pretraining"
# Positions in the rows of make_hf_tiny.BATCH, what stood there, and which of them are used; 0 fills up.
MASK_POSITIONS = [[1, 4, 7], [3, 5, 0], [1, 0, 0]]
MASK_IDS = [[9, 15, 33], [27, 6, 0], [16, 0, 0]]
MASK_WEIGHTS = [[1, 1, 1], [1, 1, 0], [1, 0, 0]]
SENTENCE_LABEL = [1, 0, 0]


def main():
    model = make_hf_tiny.randomize(transformers.BertForPreTraining(make_hf_tiny.config()))
    make_hf_tiny.save(model, FOLDER)
    ids, segments, mask = (
        torch.tensor(make_hf_tiny.BATCH[name]) for name in ("token_ids", "segment_ids", "padding_mask")
    )
    labels = torch.full_like(ids, -100)
    for row, (positions, originals, weights) in enumerate(zip(MASK_POSITIONS, MASK_IDS, MASK_WEIGHTS)):
        for position, original, weight in zip(positions, originals, weights):
            if weight:
                labels[row, position] = original
    sentence = torch.tensor(SENTENCE_LABEL)
    result = model(
        input_ids=ids, token_type_ids=segments, attention_mask=mask, labels=labels, next_sentence_label=sentence
    )
    result.loss.backward()
    chosen = torch.gather(
        result.prediction_logits, 1, torch.tensor(MASK_POSITIONS)[..., None].expand(-1, -1, model.config.vocab_size)
    )
    flat = result.prediction_logits.reshape(-1, model.config.vocab_size)
    np.savez_compressed(
        FOLDER / "outputs.npz",
        **make_hf_tiny.as_arrays(make_hf_tiny.BATCH),
        mask_positions=np.asarray(MASK_POSITIONS, "int32"),
        mask_ids=np.asarray(MASK_IDS, "int32"),
        mask_weights=np.asarray(MASK_WEIGHTS, "float32"),
        sentence_label=np.asarray(SENTENCE_LABEL, "int32"),
        mlm_logits=chosen.detach().numpy(),
        sentence_logits=result.seq_relationship_logits.detach().numpy(),
        mlm_loss=torch.nn.functional.cross_entropy(flat, labels.reshape(-1)).item(),
        sentence_loss=torch.nn.functional.cross_entropy(result.seq_relationship_logits, sentence).item(),
        loss=result.loss.item(),
    )
    np.savez_compressed(
        FOLDER / "gradients.npz", **{name: weight.grad.numpy() for name, weight in model.named_parameters()}
    )


if __name__ == "__main__":
    main()
