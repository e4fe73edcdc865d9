"""`bert-keras augment`: a table of labelled texts in, the same with changed copies out."""

import csv
import io
import itertools
import json
from collections.abc import Callable, Iterator

import click

from bert_keras.cli import contract, output
from bert_keras.cli.corpus_options import seed_option
from bert_keras.cli.progress import Progress
from bert_keras.cli.quiet import starting_tensorflow
from bert_keras.data import columns as choosing
from bert_keras.data import formats
from bert_keras.data.jsonl import json_objects
from bert_keras.data.records import text_problem
from bert_keras.data.skipping import RowErrors
from bert_keras.errors import BadInput, where

_NEED_WORDS = ("replace", "insert")
_OPERATIONS = ("mask", *_NEED_WORDS, "delete", "swap")
# Rows that are changed together: a model is asked for all of their words at once.
_BLOCK = 256
# Fields of JSON Lines that point to words or characters of a text.
_OF_WORDS = ("tokens", "tags", "spans", "slots", "answers", "answer_start")


@click.command(cls=contract.Command, short_help="Add changed copies of texts to a table.")
@click.argument("table", metavar="FILE")
@click.option("--out", required=True, metavar="FILE", help="The table to write, in the format of FILE.")
@click.option(
    "--operation",
    "operations",
    type=click.Choice(_OPERATIONS),
    multiple=True,
    help="Repeat for more; each copy is changed by one of them. mask writes [MASK] for words, which fine-tune "
    "classification reads as the mask token.  [default: all but mask, as far as there are words for them]",
)
@click.option("--copies", type=click.IntRange(1), default=1, show_default=True, help="Changed copies of each row.")
@click.option("--rate", type=float, default=0.1, show_default=True, help="Share of the words that are changed.")
@click.option("--synonyms", metavar="FILE", help="Words to replace and insert: groups that mean the same, one a line.")
@click.option(
    "--preset", metavar="PRESET", help="Words to replace and insert: what this masked language model expects."
)
@click.option("--column", "chosen", multiple=True, help="A column of texts, by name or number.  [default: text]")
@click.option("--no-header", is_flag=True, help="The first row is data; choose columns by number.")
@click.option("--quoted/--unquoted", default=None, help="Whether fields may stand in quotes.  [default: yes in CSV]")
@seed_option
def augment(table, out, operations, copies, rate, synonyms, preset, chosen, no_header, quoted, seed):
    """Write FILE (CSV, TSV or JSON Lines) with changed copies of its texts after each row; all else is copied.

    For tasks that label whole texts, or pairs of them (--column for each). Copies in which nothing could be changed are
    left out. Words come from --synonyms or from --preset: a model that was pretrained on masked words, such as
    `bert-keras pretrain` writes.
    """
    from bert_keras.data.augmentation import Augmentation

    if synonyms and preset:
        raise BadInput("--synonyms and --preset both give words; expected one of them")
    if operations and (synonyms or preset) and not set(operations) & set(_NEED_WORDS):
        raise BadInput(
            f"--{'synonyms' if synonyms else 'preset'} does nothing here; expected --operation replace or insert "
            "beside it, or no --operation"
        )
    with output.new_file(out) as file, Progress("augmenting", None) as progress:
        source = _source(synonyms, preset)
        change = Augmentation(operations or _OPERATIONS[1 if source else 3 :], rate, source, seed)
        counts = {"rows": 0, "copies": 0, "unchanged": 0}
        rows = _rows(table, chosen or ("text",), not no_header, quoted, file.write)
        for block in iter(lambda: list(itertools.islice(rows, _BLOCK)), []):
            _write_block(block, table, change, copies, counts)
            progress.update(counts["rows"])
        if not counts["rows"]:
            raise BadInput(f"{table}: the file holds no rows; expected at least one")
    click.echo(json.dumps(counts), err=out == "-")


def _source(synonyms, preset):
    from bert_keras.data.augmentation import Predictions, Synonyms

    if synonyms:
        return Synonyms.from_file(synonyms)
    if not preset:
        return None
    with starting_tensorflow():
        from bert_keras.tasks.pretraining_model import PretrainingModel
    return Predictions(PretrainingModel.from_preset(preset, fresh_head=False).expected_words)


def _write_block(block, table, change, copies, counts) -> None:
    """Writes rows, each with its copies behind it, and counts them."""
    asked = []
    for number, (row, place, names, _) in enumerate(block, start=counts["rows"]):
        for index, (name, shown) in enumerate(names.items()):
            if problem := text_problem(row[name]):
                raise BadInput(f"{where(table, place, shown)}: {problem}")
            # Several texts of a row draw apart.
            asked += [(row[name], number * len(names) + index, copy) for copy in range(copies)]
    changed = iter(change.many(*zip(*asked)))
    for row, _, names, write in block:
        found = {name: list(itertools.islice(changed, copies)) for name in names}
        write(row)
        for copy in range(copies):
            texts = {name: of_name[copy] for name, of_name in found.items()}
            if all(texts[name] == row[name] for name in names):
                counts["unchanged"] += 1
                continue
            write({**row, **texts})
            counts["copies"] += 1
        counts["rows"] += 1


def _rows(table, chosen, header, quoted, put: Callable[[str], object]) -> Iterator[tuple[dict, int, dict, Callable]]:
    """Yields (row, its line, keys of the texts with their names, how to write a row). Writes the header."""
    ending = formats.ending(table)
    if ending in formats.JSON_LINES:
        for place, record in json_objects(table, RowErrors(skip=False)):
            for name in _OF_WORDS:
                if name in record:
                    raise BadInput(
                        f"{where(table, place, name)}: labels of words or places would not fit a changed text; "
                        "expected labels of whole texts (for tokens: mask_tokens of bert_keras, in tf.data)"
                    )
            missing = [name for name in chosen if name not in record]
            if missing:
                raise BadInput(f"{where(table, place, missing[0])}: the field is missing; choose another (--column)")
            yield (
                record,
                place,
                {name: name for name in chosen},
                lambda row: put(json.dumps(row, ensure_ascii=False) + "\n"),
            )
        return
    delimiter = formats.DELIMITERS.get(ending)
    if delimiter is None:
        raise BadInput(f"{table}: a file of texts alone has no labels; expected .csv, .tsv or .jsonl")
    quoted = delimiter == "," if quoted is None else quoted
    line = _quoted_line(delimiter) if quoted else lambda fields: delimiter.join(fields) + "\n"
    names, texts = None, {}
    for place, fields in formats.delimited_rows(table, delimiter, quoted):
        if not fields:
            continue
        if names is None:
            names = fields if header else [str(number) for number in range(1, len(fields) + 1)]
            places = [choosing.named([name.strip() for name in names], name, "text", table) for name in chosen]
            texts = {number: names[number] for number in places}
            if header:
                put(line(fields))
                continue
        if len(fields) != len(names):
            raise BadInput(f"{where(table, place)}: {len(fields)} fields; expected {len(names)} as in the first row")
        yield dict(enumerate(fields)), place, texts, lambda row: put(line(list(row.values())))


def _quoted_line(delimiter: str) -> Callable[[list[str]], str]:
    def line(fields):
        written = io.StringIO()
        csv.writer(written, delimiter=delimiter, lineterminator="\n").writerow(fields)
        return written.getvalue()

    return line
