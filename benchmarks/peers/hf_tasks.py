"""The peer of bench_tasks: HF transformers on PyTorch, fine-tuned by the loop of `hf_loop.py`.

Runs under the peers' Python (torch, transformers, numpy), driven by `bench_tasks.py`. A class for each kind of data
says how its rows become features, batches, and predictions again.
"""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import numpy as np
import torch
import transformers
from hf_answers import Answers
from hf_loop import checkpoint, fine_tune
from hf_words import Intents, Tags
from interleave import Channel, StopWatch

KINDS = {"tags": Tags, "intents": Intents, "answers": Answers}
# Rows a batch when nothing is learnt, sorted by length.
PREDICT_BATCH = 64


def main():
    channel = Channel()
    options = channel.receive()
    torch.set_num_threads(options["threads"])
    rows = json.loads(pathlib.Path(options["rows"]).read_text(encoding="utf-8"))
    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint())
    channel.send(library=f"transformers {transformers.__version__}, torch {torch.__version__}")
    while (request := channel.receive()) is not None:
        transformers.set_seed(request["seed"])
        task = KINDS[options["kind"]](rows["train"], tokenizer, options)
        watch = StopWatch(channel, options["steps_per_turn"])
        watch.start()
        loss = fine_tune_on(task, rows["train"], options, request["seed"], watch)
        watch.stop()
        channel.send(done=True, loss=loss, predictions=predict(task, rows["dev"]), **watch.report())


def fine_tune_on(task, rows, options, seed, watch):
    features = task.features(rows, to_learn=True)

    def batch_of(chosen):
        return task.batch([features[row] for row in chosen])

    return fine_tune(task.model, lengths_of(features), batch_of, options, seed, watch)


def lengths_of(features):
    return np.asarray([len(feature["input_ids"]) for feature in features])


@torch.inference_mode()
def predict(task, rows):
    task.model.eval()
    features = task.features(rows)
    order = np.argsort(-lengths_of(features), kind="stable")
    found = [None] * len(features)
    for start in range(0, len(order), PREDICT_BATCH):
        chosen = order[start : start + PREDICT_BATCH]
        outputs = task.model(**task.batch([features[i] for i in chosen]))
        for place, index in enumerate(chosen):
            found[index] = task.output(outputs, place)
    return task.predictions(rows, features, found)


if __name__ == "__main__":
    main()
