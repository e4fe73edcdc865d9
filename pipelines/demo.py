"""The whole path on real input: train, evaluate, push, serve, ask. `bert-keras demo` runs it, as does `make demo`.

The input is the 100 labelled film reviews in TFX's own wheel, the weights are those of the bundled MiniLM: nothing is
downloaded. Everything is written below `demo-output`; a second run takes from there what has not changed.
"""

import contextlib
import csv
import importlib.util
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bert_keras.errors import BadInput, WorkFailed
from pipelines.model_server import ModelServer
from pipelines.result import RunResult
from pipelines.runner import run_config

FOLDER = Path("demo-output")
NAME = "reviews"
TRAIN_ROWS = 70

CONFIG = f"""\
# The pipeline of `bert-keras demo`. Change it and run it again: bert-keras pipeline run {FOLDER}/pipeline.yaml
name: {NAME}
root: .
task:
  name: classification
  options:
    pooling: mean                  # on so few reviews MiniLM learns sooner from the mean of its tokens than from [CLS]
data:
  train: train.csv
  eval: eval.csv
model:
  preset: minilm_l6_uncased
  max_length: 128
train:
  epochs: 3
  batch_size: 8
  learning_rate: 3.0e-4
evaluate:
  thresholds:
    # 30 reviews tell little: guessing gives from 0.3 to 0.7 on them. This bar stops a model that is broken, no more;
    # with more reviews raise it.
    accuracy: {{lower_bound: 0.4, change: -0.2}}
"""

REVIEWS = (
    "A warm and funny film with a wonderful cast; I laughed until I cried and would see it again tomorrow.",
    "Two hours of my life that I will not get back: the plot makes no sense and the acting is terrible.",
    "The photography is lovely, but the story drags and the ending is a disappointment.",
)


def main(say: Callable[[str], None] = lambda line: print(line, flush=True)) -> RunResult:
    """Runs the demo.

    Raises:
        BadInput: TFX's reviews are not installed, or the folder cannot be written.
        WorkFailed: a step failed; the message says which and why.
    """
    started = time.monotonic()
    say(f"== Pipeline: 100 film reviews, a BERT of 6 layers (all files below {FOLDER}/)")
    result = run_config(write_inputs(FOLDER), say)
    say("")
    say("== Serve and ask")
    models = short(Path(result.pushed_path).parent)
    with served(models, NAME, say) as target:
        ask(target, NAME, say)
    say("")
    say(f"== Done in {time.monotonic() - started:.0f} s")
    for line in closing(result, models):
        say(line)
    return result


def write_inputs(folder: Path) -> Path:
    """Writes the reviews and the config into a folder; returns the config's path. Raises `BadInput`."""
    reviews = _reviews_of_tfx()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(reviews, encoding="utf-8", newline="") as source:
            rows = [(row["text"], "positive" if row["label"] == "1" else "negative") for row in csv.DictReader(source)]
        _write_if_changed(folder / "train.csv", rows[:TRAIN_ROWS])
        _write_if_changed(folder / "eval.csv", rows[TRAIN_ROWS:])
        config = folder / "pipeline.yaml"
        # The user may have changed it since the last time.
        if not config.exists():
            config.write_text(CONFIG, encoding="utf-8")
    except OSError as error:
        raise BadInput(
            f"{folder} cannot be written ({error.strerror}); go to a folder where files can be made"
        ) from error
    return config


def _reviews_of_tfx() -> Path:
    spec = importlib.util.find_spec("tfx")
    if spec is None:
        raise BadInput("TFX is not installed, and the demo runs on it: pip install 'bert-keras[tfx]'")
    path = Path(list(spec.submodule_search_locations)[0], "examples", "imdb", "data", "imdb_small_with_labels.txt")
    if not path.exists():
        raise BadInput(f"this TFX comes without its reviews ({path}); install tfx 1.16.0 or 1.21.0")
    return path


def _write_if_changed(path: Path, rows: list[tuple[str, str]]):
    # TFX looks at the time of the file to know whether its data changed.
    new = path.with_suffix(".new")
    with open(new, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows(rows)
    if path.exists() and path.read_bytes() == new.read_bytes():
        new.unlink()
    else:
        new.replace(path)


@contextlib.contextmanager
def served(models: Path, name: str, say: Callable[[str], None]) -> Iterator[str]:
    """Serves a folder of versions on a free port while the block runs; gives "host:port".

    Raises:
        WorkFailed: the server did not come up.
    """
    from serving.client import Client, ServingError

    log = models.parent / "server.log"
    server = ModelServer(models, name, log)
    try:
        say(f"bert-keras serve {models} --name {name} --port {server.port} (its log: {log})")
        with Client(server.target, name) as client:
            client.wait_until_ready(deadline=120)
        yield server.target
    except ServingError as error:
        raise WorkFailed(f"the server on port {server.port} failed: {error} (its log: {log})") from error
    finally:
        server.stop()


def ask(target: str, name: str, say: Callable[[str], None]):
    """Asks a server for its opinion of three reviews, and says it."""
    from serving.client import query

    for review, answer in zip(REVIEWS, query(target, name, list(REVIEWS))):
        say(f"{answer['label']:>8} {answer['score']:.2f}  {review}")


def closing(result: RunResult, models: Path) -> list[str]:
    """What came out, and the commands to go on with."""
    from scipy.stats import binomtest

    count, accuracy = int(result.metrics["example_count"]), result.metrics["accuracy"]
    # Wilson's interval has a width even where all answers are right.
    low, high = binomtest(round(accuracy * count), count).proportion_ci(method="wilson")
    program, preset = _program(), short(Path(result.preset))
    return [
        f"accuracy   {accuracy:.2f} on {count} reviews that training did not see; on so few it may as well be anything",
        f"           from {low:.2f} to {high:.2f} (95 %): a demonstration, not a measurement",
        f"pushed     {short(Path(result.pushed_path))}",
        f"trained    {preset} (for bert_keras.load_task)",
        "Go on with:",
        f"  {program} serve {models} --name {NAME}",
        f'  {program} query 127.0.0.1:8500 {NAME} "What a film!"',
        f'  {program} predict {preset} "What a film!"',
        f"  {program} pipeline run {FOLDER / 'pipeline.yaml'}      # edit it first: more epochs, your own data",
        f"  tensorboard --logdir {preset.parent / 'logs'}",
    ]


def short(path: Path) -> Path:
    """The path from here, where it is below here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _program() -> str:
    """How to call `bert-keras` from here: by name where it is on the PATH, else by the path of this environment."""
    beside = Path(sys.executable).with_name("bert-keras")
    on_path = shutil.which("bert-keras")
    if on_path and Path(on_path).resolve() == beside.resolve():
        return "bert-keras"
    return os.path.relpath(beside) if beside.exists() else "bert-keras"
