"""Commands that ask a model server: `query`, `status`, `metadata`, `wait`, `reload`, `load-test`."""

import dataclasses
import itertools
import json
import os
import sys

import click

from bert_keras.cli import contract, output
from bert_keras.cli.connection import (
    connection_options,
    errors_of,
    model_argument,
    opened,
    package,
    security_of,
    target_argument,
    version_options,
)
from bert_keras.cli.options import check_texts
from bert_keras.cli.progress import working
from bert_keras.errors import BadInput, WorkFailed

_signature = click.option("--signature", metavar="NAME", help="The signature to ask: of several tasks the task's name.")


@click.command(cls=contract.Command, short_help="Ask a server; answers as JSON lines.")
@target_argument
@model_argument
@click.argument("texts", metavar="TEXT…", nargs=-1, required=True)
@click.option("--pair", "pairs", metavar="TEXT", multiple=True, help="The second text of the pair; one for each TEXT.")
@click.option("--second", metavar="NAME", help="The model's input that takes --pair, where its name does not say so.")
@_signature
@version_options
@connection_options()
def query(target, model, texts, pairs, second, signature, version, label, timeout, **security):
    """Send texts to MODEL at a server's gRPC port and print one JSON line per text."""
    _check_one_version(version, label)
    check_texts(texts, pairs)
    client = package()
    made = security_of(target, **security)
    with errors_of(client):
        answers = client.query(
            target,
            model,
            list(texts),
            list(pairs) or None,
            second=second,
            signature=signature,
            version=version,
            label=label,
            timeout=timeout,
            **made,
        )
    for answer in answers:
        click.echo(json.dumps(answer, ensure_ascii=False))


@click.command(cls=contract.Command, short_help="The states of a served model's versions, as JSON lines.")
@target_argument
@model_argument
@click.option("--version", type=click.IntRange(1), help="This version only.")
@connection_options()
def status(target, model, version, **connection):
    """Print one JSON line per version of MODEL that the server has seen: its number, state and error."""
    with opened(target, model, version, **connection) as client:
        for one in client.status():
            click.echo(json.dumps(dataclasses.asdict(one), ensure_ascii=False))


@click.command(cls=contract.Command, short_help="A served model's signatures, as JSON.")
@target_argument
@model_argument
@version_options
@connection_options()
def metadata(target, model, version, label, **connection):
    """Print the inputs and outputs of each signature of MODEL as one JSON document. Sizes that are open are null."""
    _check_one_version(version, label)
    with opened(target, model, version, label, **connection) as client:
        found = client.metadata()
    document = {"model": found.model, "version": found.version, "signatures": {}}
    for name, signature in found.items():
        document["signatures"][name] = {
            "method": signature.method,
            "inputs": {key: _tensor(spec) for key, spec in signature.inputs.items()},
            "outputs": {key: _tensor(spec) for key, spec in signature.outputs.items()},
            "optional": sorted(signature.optional),
        }
    output.write_json(sys.stdout, document)


@click.command(cls=contract.Command, short_help="Wait until a server answers for a model.")
@target_argument
@model_argument
@version_options
@connection_options(timeout=60)
def wait(target, model, version, label, timeout, **security):
    """Return when MODEL at the server can be asked; exit with 1 when it cannot within --timeout."""
    _check_one_version(version, label)
    with opened(target, model, version, label, timeout=min(timeout, 10), **security) as client:
        with working(f"waiting for {model} at {target}", plain=False):
            client.wait_until_ready(timeout)


@click.command(cls=contract.Command, short_help="Tell a server which models to serve.")
@target_argument
@click.argument("config", metavar="FILE")
@connection_options(timeout=300)
def reload(target, config, **connection):
    """Have a server serve the models in FILE, and no others, without a stop; returns when all of them answer.

    FILE is a model config file, as --model_config_file of TensorFlow Serving; its paths are those of the server's
    machine.
    """
    try:
        models = package().read_config(config)
    except ValueError as error:
        raise BadInput(str(error)) from error
    with opened(target, **connection) as client:
        with working(f"loading models at {target}", plain=False):
            client.reload(models)


@click.command("load-test", cls=contract.Command, short_help="How many requests a server answers, how quickly.")
@target_argument
@model_argument
@click.argument("texts", metavar="[TEXT…]", nargs=-1)
@click.option("--data", metavar="FILE", help="Take the texts from the lines of a file, gzipped or not.")
@click.option("--count", type=click.IntRange(1), help="Requests. Without this: as many as --seconds allow.")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="Without this and --count: 10.")
@click.option("--concurrency", type=click.IntRange(1), default=8, show_default=True, help="Requests at a time.")
@click.option("--batch-size", type=click.IntRange(1), default=1, show_default=True, help="Texts in a request.")
@_signature
@version_options
@connection_options()
def load_test(
    target, model, texts, data, count, seconds, concurrency, batch_size, signature, version, label, **connection
):
    """Send texts to MODEL without a pause and print, as JSON, how it went.

    Each of the --concurrency callers asks anew when it was answered. Figures are of the whole call as this machine
    sees it, and hold for this machine, this server and these texts. Exits with 1 when a request failed.
    """
    _check_one_version(version, label)
    if count is not None and seconds is not None:
        raise BadInput("load-test: both --count and --seconds are given; expected one of them")
    seconds = 10.0 if count is None and seconds is None else seconds
    items = _load_items(texts, data)
    with opened(target, model, version, label, retries=0, **connection) as client:
        with working(f"asking {model} at {target}"):
            report = package().load_test(
                client,
                items,
                batch_size=batch_size,
                concurrency=concurrency,
                count=count,
                seconds=seconds,
                signature=signature,
            )
    output.write_json(sys.stdout, report.as_dict())
    if report.failed:
        codes = ", ".join(f"{code} {number}" for code, number in sorted(report.errors.items()))
        raise WorkFailed(f"{report.failed} of {report.requests} requests failed: {codes}")


# Texts of a load test; more would only be more of the same.
_MOST_TEXTS = 100_000


def _load_items(texts: tuple[str, ...], data: str | None) -> list[str]:
    if bool(texts) == bool(data):
        raise BadInput("load-test: expected texts, or a file of them with --data FILE, and not both")
    if not data:
        check_texts(texts, ())
        return list(texts)
    from bert_keras.data.lines import numbered_lines

    lines = (line.strip() for _, line in numbered_lines(data))
    found = list(itertools.islice((line for line in lines if line), _MOST_TEXTS))
    if not found:
        raise BadInput(f"{os.fspath(data)}: holds no text; expected one text a line")
    return found


def _check_one_version(version: int | None, label: str | None) -> None:
    if version is not None and label is not None:
        raise BadInput(f"--version {version} and --label {label} are both given; expected one of them")


def _tensor(spec) -> dict:
    return {"dtype": spec.dtype, "shape": None if spec.shape is None else list(spec.shape)}
