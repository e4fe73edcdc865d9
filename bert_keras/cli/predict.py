"""`bert-keras predict DIR`: answers as JSON lines for texts on the command line or in a file."""

import contextlib
import dataclasses
import json
import os

import click

from bert_keras.cli import contract, options, output
from bert_keras.cli.progress import Progress
from bert_keras.cli.quiet import load_task
from bert_keras.data import formats, propbank, squad, tagged
from bert_keras.errors import BadInput, WorkFailed

# Rows per call of the model: answers come out while later ones are still to be computed.
CHUNK = 1024
# Of all files that some task reads.
_TABLES = (*formats.DELIMITERS, *formats.JSON_LINES, formats.PLAIN_TEXT)
_ENDINGS = (*_TABLES, *tagged.CONLL_ENDINGS, *propbank.ENDINGS, squad.ENDING)


@options.with_options(options.data_options())
@click.command(cls=contract.Command, short_help="Answers as JSON lines, for texts or a file.")
@click.argument("directory", metavar="DIR")
@click.argument("texts", metavar="[TEXT… | FILE]", nargs=-1)
@options.task_option
@click.option("--pair", "pairs", metavar="TEXT", multiple=True, help="The second text of the pair; one for each TEXT.")
@click.option("--data", metavar="FILE", help="Read the texts from a CSV, TSV, JSON Lines or .txt file.")
@click.option("--batch-size", type=click.IntRange(1), default=64, show_default=True, help="Rows at a time.")
@click.option("--out", metavar="FILE", help="Write the JSON lines here instead of to the terminal.")
def predict(directory, texts, task_name, pairs, data, batch_size, out, **how):
    """Print one JSON line per text: the answer of the fine-tuned model in DIR.

    A single argument that names a data file is read as one. Answers for a file carry the row they belong to.
    """
    reading = options.reading(**how)
    data = data or _as_file(texts)
    if data and (pairs or (texts and (data,) != texts)):
        raise BadInput("predict: both texts and a file are given; expected one of them")
    if not data and not texts:
        raise BadInput("predict: nothing to predict; expected texts, or a file with --data FILE")
    if not data:
        options.check_texts(texts, pairs)
    with output.new_file(out) as file:
        task = load_task(directory, task_name)
        if data:
            records = task.read_file(data, require_target=False, **reading)
            options.echo_skipped(records)
            # Of a table that has targets too, they are none of the prediction's business.
            inputs, _, _ = task.encode_records(dataclasses.replace(records, targets=None))
            heads = [{"row": row} for row in records.rows]
        else:
            inputs = _named(task.serving_inputs, texts, pairs)
            heads = [{name: values[i] for name, values in inputs.items()} for i in range(len(texts))]
        _write_answers(task, inputs, heads, batch_size, file)


def _write_answers(task, inputs: dict[str, list[str]], heads: list[dict], batch_size: int, file) -> None:
    # On a terminal the lines themselves show how far it is; a bar would run through them.
    shown = contextlib.nullcontext() if file.isatty() else Progress("predicting", len(heads))
    with shown as progress:
        for start in range(0, len(heads), CHUNK):
            part = slice(start, start + CHUNK)
            answers = task.answers({name: values[part] for name, values in inputs.items()}, batch_size=batch_size)
            for head, answer in zip(heads[part], answers, strict=True):
                print(_json(head | answer), file=file)
            file.flush()
            if progress:
                progress.update(min(start + CHUNK, len(heads)))


def _json(answer: dict) -> str:
    try:
        return json.dumps(answer, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise WorkFailed(f"an answer holds NaN or infinite values, which JSON cannot say: {answer}") from error


def _as_file(texts: tuple[str, ...]) -> str | None:
    if len(texts) != 1:
        return None
    (text,) = texts
    # A word that ends like a data file is a mistyped name far more often than a text.
    is_name = text.lower().removesuffix(".gz").endswith(_ENDINGS) and not any(map(str.isspace, text))
    return text if is_name or os.path.isfile(text) else None


def _named(names: tuple[str, ...], texts: tuple[str, ...], pairs: tuple[str, ...]) -> dict[str, list[str]]:
    if len(names) > 1 and not pairs:
        raise BadInput(f"predict: the model takes pairs ({', '.join(names)}); expected a --pair for each text")
    if len(names) == 1 and pairs:
        raise BadInput(f"predict: the model takes single texts ({names[0]}); expected no --pair")
    return {name: list(values) for name, values in zip(names, (texts, pairs))}
