"""The peer of bench_pretraining_speed: `BertForPreTraining` on PyTorch, trained by the plain loop.

Makes the weights that both sides start from. Runs under the peers' Python, driven by `bench_pretraining_speed.py`.
"""

import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import numpy as np
import torch
import transformers
from hf_loop import recipe
from interleave import Channel

SIZES = {"tiny": (2, 128), "mini": (4, 256), "small": (4, 512), "medium": (8, 512), "base": (12, 768)}
IGNORED = -100


def main():
    channel = Channel()
    options = channel.receive()
    torch.set_num_threads(options["threads"])
    transformers.set_seed(1)
    rows = dict(np.load(options["rows"]))
    model = new_model(options["size"])
    model.save_pretrained(options["checkpoint"])
    write_vocabulary(options["checkpoint"])
    size, order = options["batch_size"], np.random.default_rng(1).permutation(len(rows["token_ids"]))
    model.eval()
    with torch.inference_mode():
        loss = model(**batch_of(rows, order[:size])).loss.item()
    model.train()
    optimizer, schedule = recipe(model, {"learning_rate": 1e-4, "weight_decay": 0.01}, 10_000)
    stream = batches(order, size)
    step(model, optimizer, schedule, batch_of(rows, next(stream)))
    library = f"transformers {transformers.__version__}, torch {torch.__version__}"
    channel.send(library=library, loss=loss, fill=float(rows["padding_mask"].mean()))
    while (request := channel.receive()) is not None:
        tokens, wall, cpu = 0, time.perf_counter(), time.process_time()
        for _ in range(request["steps"]):
            chosen = next(stream)
            step(model, optimizer, schedule, batch_of(rows, chosen))
            tokens += int(rows["padding_mask"][chosen].sum())
        channel.send(seconds=time.perf_counter() - wall, cpu_seconds=time.process_time() - cpu, tokens=tokens)


def new_model(size):
    layers, width = SIZES[size]
    config = transformers.BertConfig(
        num_hidden_layers=layers,
        hidden_size=width,
        num_attention_heads=width // 64,
        intermediate_size=4 * width,
        attn_implementation="sdpa",
    )
    return transformers.BertForPreTraining(config)


def write_vocabulary(checkpoint):
    """The tokenizer that the rows were made with; a preset has one."""
    from hf_loop import checkpoint as minilm

    transformers.AutoTokenizer.from_pretrained(minilm()).save_pretrained(checkpoint)


def batches(order, size):
    while True:
        for start in range(0, len(order) - size + 1, size):
            yield order[start : start + size]


def batch_of(rows, chosen):
    token_ids, mask = rows["token_ids"][chosen], rows["padding_mask"][chosen]
    labels = np.full(token_ids.shape, IGNORED, np.int64)
    row, place = np.nonzero(rows["mask_weights"][chosen])
    labels[row, rows["mask_positions"][chosen][row, place]] = rows["mask_ids"][chosen][row, place]
    tensors = {
        "input_ids": token_ids,
        "token_type_ids": rows["segment_ids"][chosen],
        "attention_mask": mask,
        "labels": labels,
        "next_sentence_label": rows["sentence_label"][chosen],
    }
    return {name: torch.from_numpy(value.astype(np.int64)) for name, value in tensors.items()}


def step(model, optimizer, schedule, batch):
    loss = model(**batch).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    schedule.step()
    optimizer.zero_grad()
    loss.item()


if __name__ == "__main__":
    main()
