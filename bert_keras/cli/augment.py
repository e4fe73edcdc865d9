"""`bert-keras augment`: a table of labelled texts in, the same with changed copies out."""

import csv
import io
import json
from collections.abc import Callable, Iterator

import click

from bert_keras.cli import contract, output
from bert_keras.cli.corpus_options import seed_option
from bert_keras.cli.progress import Progress
from bert_keras.data import columns as choosing
from bert_keras.data import formats
from bert_keras.data.jsonl import json_objects
from bert_keras.data.records import text_problem
from bert_keras.data.skipping import RowErrors
from bert_keras.errors import BadInput, where

_OPERATIONS = ("replace", "insert", "delete", "swap")


@click.command(cls=contract.Command, short_help="Add changed copies of texts to a table.")
@click.argument("table", metavar="FILE")
@click.option("--out", required=True, metavar="FILE", help="The table to write, in the format of FILE.")
@click.option(
    "--operation",
    "operations",
    type=click.Choice(_OPERATIONS),
    multiple=True,
    help="Repeat for more; each copy is changed by one of them.  [default: all that are possible]",
)
@click.option("--copies", type=click.IntRange(1), default=1, show_default=True, help="Changed copies of each row.")
@click.option("--rate", type=float, default=0.1, show_default=True, help="Share of the words that are changed.")
@click.option("--synonyms", metavar="FILE", help="Words to replace and insert: groups that mean the same, one a line.")
@click.option("--column", "chosen", multiple=True, help="A column of texts, by name or number.  [default: text]")
@click.option("--no-header", is_flag=True, help="The first row is data; choose columns by number.")
@click.option("--quoted/--unquoted", default=None, help="Whether fields may stand in quotes.  [default: yes in CSV]")
@seed_option
def augment(table, out, operations, copies, rate, synonyms, chosen, no_header, quoted, seed):
    """Write FILE (CSV, TSV or JSON Lines) with changed copies of its texts after each row; all else is copied.

    For tasks that label whole texts. Copies in which nothing could be changed are left out.
    """
    from bert_keras.data.augmentation import Augmentation, Synonyms

    source = Synonyms.from_file(synonyms) if synonyms else None
    operations = operations or (_OPERATIONS if source else ("delete", "swap"))
    change = Augmentation(operations, rate, source, seed)
    counts = {"rows": 0, "copies": 0, "unchanged": 0}
    with output.new_file(out) as file, Progress("augmenting", None) as progress:
        for row, place, names, write in _rows(table, chosen or ("text",), not no_header, quoted, file.write):
            write(row)
            for name, shown in names.items():
                problem = text_problem(row[name])
                if problem:
                    raise BadInput(f"{where(table, place, shown)}: {problem}")
            for copy in range(copies):
                # Several texts of a row draw apart.
                number = counts["rows"] * len(names)
                changed = {name: change(row[name], number + index, copy) for index, name in enumerate(names)}
                if all(changed[name] == row[name] for name in names):
                    counts["unchanged"] += 1
                    continue
                write({**row, **changed})
                counts["copies"] += 1
            counts["rows"] += 1
            progress.update(counts["rows"])
        if not counts["rows"]:
            raise BadInput(f"{table}: the file holds no rows; expected at least one")
    click.echo(json.dumps(counts), err=out == "-")


def _rows(table, chosen, header, quoted, put: Callable[[str], object]) -> Iterator[tuple[dict, int, dict, Callable]]:
    """Yields (row, its line, keys of the texts with their names, how to write a row). Writes the header."""
    ending = formats.ending(table)
    if ending in formats.JSON_LINES:
        for place, record in json_objects(table, RowErrors(skip=False)):
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
