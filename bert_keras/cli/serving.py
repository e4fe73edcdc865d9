"""`bert-keras serve` and `bert-keras query`: a server for exported models, and a client that asks one."""

import json
import os
from pathlib import Path

import click

from bert_keras.cli import contract, output
from bert_keras.cli.options import check_texts
from bert_keras.cli.progress import working
from bert_keras.cli.quiet import load_model
from bert_keras.errors import BadInput, WorkFailed

_PORT = click.IntRange(1, 65535)
_REST_PORT = click.IntRange(0, 65535)


@click.command(cls=contract.Command, short_help="Serve a model over gRPC and REST.")
@click.argument("path", metavar="DIR|BASE")
@click.option("--name", help="The model's name for clients. Without this: the directory's name.")
@click.option("--port", type=_PORT, default=8500, show_default=True, help="gRPC.")
@click.option("--rest-port", type=_REST_PORT, default=8501, show_default=True, help="REST; 0 = none.")
@click.option("--host", help="Address to listen on. Without this: this machine only.")
@click.option("--binary", metavar="FILE", help="The tensorflow_model_server to use. Without this: the one on PATH.")
def serve(path, name, port, rest_port, host, binary):
    """Serve an exported model (BASE holds version directories), or a fine-tuned one (DIR), which is exported first.

    tensorflow_model_server does it where it is installed, else the embedded server.
    """
    from serving.server import launcher

    base = Path(path)
    name = name or base.resolve().name
    if (base / "task.json").exists():
        base = _exported(base)
    try:
        launcher.serve(base, name, port=port, rest_api_port=rest_port, host=host, binary=binary)
    except launcher.BadLaunch as error:
        raise BadInput(str(error)) from error


@click.command(cls=contract.Command, short_help="Ask a server; answers as JSON lines.")
@click.argument("target", metavar="HOST:PORT")
@click.argument("model", metavar="MODEL")
@click.argument("texts", metavar="TEXT…", nargs=-1, required=True)
@click.option("--pair", "pairs", metavar="TEXT", multiple=True, help="The second text of the pair; one for each TEXT.")
@click.option("--second", metavar="NAME", help="The model's input that takes --pair, where its name does not say so.")
@click.option("--signature", metavar="NAME", help="The signature to ask: of several tasks the task's name.")
@click.option("--version", type=click.IntRange(1), help="The model's version. Without this: the newest.")
@click.option("--timeout", type=click.FloatRange(0, min_open=True), default=30, show_default=True, help="Seconds.")
def query(target, model, texts, pairs, second, signature, version, timeout):
    """Send texts to MODEL at a server's gRPC port and print one JSON line per text."""
    if ":" not in target:
        raise BadInput(f"{target}: expected HOST:PORT, for example localhost:8500")
    check_texts(texts, pairs)
    try:
        from serving import client
    except ImportError as error:
        raise BadInput(f"the client is not installed ({error}): pip install 'bert-keras[serving]'") from error
    try:
        answers = client.query(
            target,
            model,
            list(texts),
            list(pairs) or None,
            second=second,
            signature=signature,
            version=version,
            timeout=timeout,
        )
    except (client.InvalidInput, client.ModelNotFound, client.SignatureNotFound) as error:
        raise BadInput(str(error)) from error
    except client.ServingError as error:
        raise WorkFailed(str(error)) from error
    for answer in answers:
        click.echo(json.dumps(answer, ensure_ascii=False))


def _exported(directory: Path) -> Path:
    """The export of a fine-tuned directory, in it; made once, since fine-tuning anew replaces the whole directory."""
    base = directory / "served"
    if not (base / "1").exists():
        with output.new_directory(base / "1", replace_ours=False) as temporary:
            with working(f"exporting {directory}"):
                load_model(str(directory)).export(os.fspath(temporary / "saved_model"))
            output.move_up(temporary / "saved_model")
    return base
