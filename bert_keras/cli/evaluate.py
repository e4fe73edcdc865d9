"""`bert-keras evaluate DIR --data F`: the metrics of a fine-tuned model on a table with targets."""

import contextlib
import time

import click

from bert_keras.cli import contract, options, output
from bert_keras.cli.progress import working
from bert_keras.cli.quiet import load_task


@options.with_options(options.data_options())
@click.command(cls=contract.Command, short_help="The metrics of a fine-tuned model on a table.")
@click.argument("directory", metavar="DIR")
@options.task_option
@click.option("--data", required=True, metavar="FILE", help="CSV, TSV or JSON Lines with the targets.")
@click.option("--batch-size", type=click.IntRange(1), default=64, show_default=True, help="Rows at a time.")
@click.option("--out", metavar="FILE", help="Also write the metrics as JSON here.")
def evaluate(directory, task_name, data, batch_size, out, **how):
    """Evaluate the fine-tuned model in DIR on FILE and print a table of metrics."""
    reading = options.reading(**how)
    with output.new_file(out) if out else contextlib.nullcontext() as file:
        task = load_task(directory, task_name)
        records = task.read_file(data, require_target=True, **reading)
        options.echo_skipped(records)
        start = time.monotonic()
        with working(f"evaluating {len(records)} rows"):
            metrics = task.evaluate_records(records, batch_size=batch_size)
        seconds = time.monotonic() - start
        if file:
            output.write_json(file, {"data": data, "rows": len(records), "metrics": metrics})
    output.print_metrics(metrics, title=f"{data}: {len(records)} rows in {seconds:.1f} s")
