"""`bert-keras export DIR --out PATH`: a SavedModel version that TensorFlow Serving loads."""

from pathlib import Path

import click

from bert_keras.cli import contract, output
from bert_keras.cli.progress import working
from bert_keras.cli.quiet import load_model, starting_tensorflow
from bert_keras.errors import BadInput


@click.command(cls=contract.Command, short_help="Write a fine-tuned model as a SavedModel to be served.")
@click.argument("directory", metavar="DIR")
@click.option("--out", required=True, metavar="PATH", help="The model's base path; the version goes under it.")
@click.option("--version", type=click.IntRange(1), help="The version's number. Without this: one above the highest.")
@click.option(
    "--tokenizer-ops",
    type=click.Choice(["tf-text", "core"]),
    default="tf-text",
    show_default=True,
    help="What the tokenizer inside is made of: core runs on servers without TensorFlow Text, with the same answers.",
)
@click.option(
    "--require-serving",
    metavar="RELEASE",
    help="Fail, and write nothing, if TensorFlow Serving of this release, such as 2.12, cannot load the model.",
)
def export(directory, out, version, tokenizer_ops, require_serving):
    """Write the fine-tuned model in DIR as PATH/VERSION, a SavedModel that takes text and gives named answers.

    Of several tasks trained together each has a signature of its name; the first one's is serving_default too. Which
    releases of TensorFlow Serving load it is said on stderr.
    """
    with starting_tensorflow():
        from bert_keras.export import serving_ops
    if require_serving is not None:
        serving_ops.parse_release(require_serving)
    base = Path(out)
    version = version or next_version(base)
    if (base / str(version)).exists():
        raise BadInput(
            f"{base / str(version)}: this version is there already, and may be in use; "
            f"expected a free number: --version {next_version(base)}"
        )
    with output.new_directory(base / str(version), replace_ours=False) as temporary:
        model = load_model(directory)
        with working("exporting"):
            model.export(str(temporary / "saved_model"), tokenizer_ops=tokenizer_ops)
        if require_serving is not None:
            serving_ops.require_serving(temporary / "saved_model", require_serving)
        verdicts = serving_ops.verdicts(temporary / "saved_model")
        output.move_up(temporary / "saved_model")
    click.echo(str(base / str(version)))
    for verdict in verdicts:
        click.echo(str(verdict), err=True)


def next_version(base: Path) -> int:
    """One above the highest version under a base path; 1 where there is none."""
    try:
        taken = [int(path.name) for path in base.iterdir() if path.name.isdecimal()]
    except (FileNotFoundError, NotADirectoryError):
        taken = []
    return max(taken, default=0) + 1
