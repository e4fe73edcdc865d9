"""Writes fine_tuning.npz: what twelve steps of fine-tuning a tiny BertForSequenceClassification make of it.

Run with the peers' Python: `.venv-peers/bin/python tests/golden/make_fine_tuning.py`.
torch's AdamW without decay on biases and LayerNorm, gradients clipped to norm 1, and the linear schedule of the
recipe, whose first step already has a rate above 0. No dropout, and the longest texts first in every epoch: from the
same start the same batches must give the same losses and, in the end, the same weights.
"""

import pathlib

import numpy as np
import torch
import transformers

HERE = pathlib.Path(__file__).parent
START = HERE / "hf_tiny_classifier"
TEXTS = [
    "a fun film", "the plot was dull", "we loved the actor", "not bad, not good", "a long, sad and poor movie",
    "great!", "i hated it", "the film is very short", "is it good?", "dull and unfun", "the actor was poor", "fun fun",
]  # fmt: skip
LABELS = [2, 0, 2, 1, 0, 2, 0, 1, 1, 0, 0, 2]
BATCH_SIZE, EPOCHS, PEAK, WARMUP, DECAY, CLIP = 3, 3, 3e-3, 0.25, 0.01, 1.0
NO_DECAY = ("bias", "LayerNorm.weight")
TOTAL = EPOCHS * len(TEXTS) // BATCH_SIZE


def main():
    model = transformers.AutoModelForSequenceClassification.from_pretrained(START)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    model.train()
    named = list(model.named_parameters())
    groups = [
        {"params": [weight for name, weight in named if name.endswith(NO_DECAY) == plain], "weight_decay": decay}
        for plain, decay in ((False, DECAY), (True, 0.0))
    ]
    optimizer = torch.optim.AdamW(groups, lr=PEAK, eps=1e-6)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    tokenizer = transformers.AutoTokenizer.from_pretrained(START)
    lengths = np.asarray([len(ids) for ids in tokenizer(TEXTS)["input_ids"]])
    longest_first = np.argsort(-lengths, kind="stable")
    losses, norms = [], []
    for step in range(TOTAL):
        rows = [longest_first[(step * BATCH_SIZE + row) % len(TEXTS)] for row in range(BATCH_SIZE)]
        batch = tokenizer([TEXTS[row] for row in rows], padding=True, return_tensors="pt")
        loss = model(**batch, labels=torch.tensor([LABELS[row] for row in rows])).loss
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP).item())
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    np.savez_compressed(
        HERE / "fine_tuning.npz",
        losses=np.asarray(losses, "float32"),
        norms=np.asarray(norms, "float32"),
        word_embeddings=model.bert.embeddings.word_embeddings.weight.detach().numpy(),
        query=model.bert.encoder.layer[0].attention.self.query.weight.detach().numpy().T,
        layer_norm=model.bert.encoder.layer[1].output.LayerNorm.weight.detach().numpy(),
        pooler=model.bert.pooler.dense.weight.detach().numpy().T,
        classifier=model.classifier.weight.detach().numpy().T,
        **{name: np.asarray(value) for name, value in settings().items()},
    )
    print("losses", np.round(losses, 4), "norms", np.round(norms, 2))


def rate(step):
    """The recipe's share of the peak at a step."""
    warmup = int(WARMUP * TOTAL)
    return (step + 1) / warmup if step < warmup else (TOTAL - step) / (TOTAL - warmup)


def settings():
    return {
        "texts": TEXTS,
        "labels": LABELS,
        "batch_size": BATCH_SIZE,
        "epochs": EPOCHS,
        "peak": PEAK,
        "warmup": WARMUP,
        "decay": DECAY,
        "clip": CLIP,
    }


if __name__ == "__main__":
    main()
