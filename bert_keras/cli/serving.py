"""`bert-keras serve`: a server for exported models."""

import os
from pathlib import Path

import click

from bert_keras.cli import contract, output
from bert_keras.cli.progress import working
from bert_keras.cli.quiet import load_model
from bert_keras.errors import BadInput

_PORT = click.IntRange(1, 65535)
_REST_PORT = click.IntRange(0, 65535)


@click.command(cls=contract.Command, short_help="Serve a model over gRPC and REST.")
@click.argument("path", metavar="DIR|BASE")
@click.argument("flags", metavar="[-- FLAG…]", nargs=-1, type=click.UNPROCESSED)
@click.option("--name", help="The model's name for clients. Without this: the directory's name.")
@click.option("--port", type=_PORT, default=8500, show_default=True, help="gRPC.")
@click.option("--rest-port", type=_REST_PORT, default=8501, show_default=True, help="REST; 0 = none.")
@click.option("--host", help="Address to listen on. Without this: this machine only.")
@click.option("--binary", metavar="FILE", help="The tensorflow_model_server to use. Without this: the one on PATH.")
def serve(path, flags, name, port, rest_port, host, binary):
    """Serve an exported model (BASE holds version directories), or a fine-tuned one (DIR), which is exported first.

    tensorflow_model_server does it where it is installed, else the embedded server. Behind `--` stand flags of the
    server, such as --enable_batching.
    """
    from serving.server import launcher

    for flag in flags:
        if not flag.startswith("--"):
            raise BadInput(f"{flag!r} is no flag of the server; expected --name=value behind `--`")

    base = Path(path)
    name = name or base.resolve().name
    if (base / "task.json").exists():
        base = _exported(base)
    try:
        launcher.serve(base, name, port=port, rest_api_port=rest_port, host=host, flags=flags, binary=binary)
    except launcher.BadLaunch as error:
        raise BadInput(str(error)) from error


def _exported(directory: Path) -> Path:
    """The export of a fine-tuned directory, in it; made once, since fine-tuning anew replaces the whole directory."""
    base = directory / "served"
    if not (base / "1").exists():
        with output.new_directory(base / "1", replace_ours=False) as temporary:
            with working(f"exporting {directory}"):
                load_model(str(directory)).export(os.fspath(temporary / "saved_model"))
            output.move_up(temporary / "saved_model")
    return base
