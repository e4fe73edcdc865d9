"""The peer of bench_sst2: HF transformers on PyTorch, fine-tuned by the loop of `hf_loop.py`.

Runs under the peers' Python (torch, transformers, numpy), driven by `bench_sst2.py`.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import numpy as np
import torch
import transformers
from hf_loop import checkpoint, fine_tune, padded
from interleave import Channel, StopWatch
from sst2_data import read_sst2


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
        looks = fine_tune_on(model, tokenizer, train, dev, options, request["seed"], watch)
        watch.stop()
        channel.send(done=True, looks=looks, **watch.report())


def fresh_model(options, seed):
    transformers.set_seed(seed)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        checkpoint(), num_labels=2, attn_implementation=options["attention"]
    )
    if options["compile"]:
        model.compile(dynamic=True)
    return model


def fine_tune_on(model, tokenizer, train, dev, options, seed, watch):
    """Trains; gives the looks at the dev set as `bert_keras.KeepBest` does, and keeps the best weights like it."""
    rows, labels = encode(tokenizer, train[0], options["max_length"]), torch.tensor(train[1])

    def batch_of(chosen):
        token_ids, mask = pad([rows[row] for row in chosen])
        return {"input_ids": token_ids, "attention_mask": mask, "labels": labels[chosen]}

    looks, best = [], {}

    def look(epoch):
        accuracy = dev_accuracy(model, tokenizer, dev, options)
        if accuracy > max((look["accuracy"] for look in looks), default=-1):
            best.update({name: weight.clone() for name, weight in model.state_dict().items()})
        looks.append({"epoch": epoch, "accuracy": accuracy})

    lengths = np.asarray([len(row) for row in rows])
    fine_tune(model, lengths, batch_of, options, seed, watch, lambda epoch: watch.paused(look, epoch))
    model.load_state_dict(best)
    return looks


def encode(tokenizer, sentences, max_length):
    return tokenizer(sentences, truncation=True, max_length=max_length)["input_ids"]


def pad(rows):
    return padded(rows), padded([[1] * len(row) for row in rows])


@torch.inference_mode()
def dev_accuracy(model, tokenizer, dev, options):
    model.eval()
    rows, right = encode(tokenizer, dev[0], options["max_length"]), 0
    for start in range(0, len(rows), 64):
        token_ids, mask = pad(rows[start : start + 64])
        guesses = model(input_ids=token_ids, attention_mask=mask).logits.argmax(-1).numpy()
        right += int((guesses == np.asarray(dev[1][start : start + 64])).sum())
    model.train()
    return right / len(rows)


if __name__ == "__main__":
    main()
