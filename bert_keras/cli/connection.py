"""Options of the commands that ask a server, and the client made from them."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from bert_keras.errors import BadInput, WorkFailed

target_argument = click.argument("target", metavar="HOST:PORT")
model_argument = click.argument("model", metavar="MODEL")


def connection_options(timeout: float = 30) -> Callable:
    """TLS, a token and the time that a call may take; `opened` takes their values."""
    return _all(
        click.option(
            "--timeout", type=click.FloatRange(0, min_open=True), default=timeout, show_default=True, help="Seconds."
        ),
        click.option("--tls", is_flag=True, help="Speak TLS; with --ca, --cert or --server-name it is meant anyway."),
        click.option("--ca", metavar="FILE", help="PEM: whom to trust. Without this: gRPC's own list."),
        click.option("--cert", metavar="FILE", help="PEM: this client's certificate, for mutual TLS; with --key."),
        click.option("--key", metavar="FILE", help="PEM: its key."),
        click.option("--server-name", metavar="NAME", help="The name in the server's certificate, if not HOST."),
        click.option("--token-file", metavar="FILE", help="Show the bearer token in this file with every call."),
        click.option(
            "--token-without-tls", is_flag=True, help="Show it to another machine over a plain connection too."
        ),
    )


def version_options(command: Callable) -> Callable:
    """--version and --label."""
    return _all(
        click.option("--version", type=click.IntRange(1), help="The model's version. Without this: the newest."),
        click.option("--label", metavar="NAME", help="The version that the server gave this label."),
    )(command)


@contextlib.contextmanager
def opened(target: str, *args: Any, timeout: float, retries: int = 3, **security: Any) -> Iterator[Any]:
    """A `serving.client.Client`; in the block its errors are those of the command line, as `errors_of` has them."""
    client = package()
    made = security_of(target, **security)
    with errors_of(client), client.Client(target, *args, timeout=timeout, retries=retries, **made) as one:
        yield one


def security_of(
    target: str,
    tls: bool,
    ca: str | None,
    cert: str | None,
    key: str | None,
    server_name: str | None,
    token_file: str | None,
    token_without_tls: bool,
) -> dict[str, Any]:
    """The arguments of a `serving.client.Client` for TLS and token. Raises BadInput where they, or the target, cannot
    be used."""
    client = package()
    wanted = tls or ca or cert or key or server_name
    made = {
        "tls": client.TLS(ca, cert, key, server_name) if wanted else None,
        "token": None if token_file is None else _token(token_file),
        "token_without_tls": token_without_tls,
    }
    try:
        client.Connection(target, **made).channel_credentials()
    except ValueError as error:
        # The option's name in place of the argument's.
        raise BadInput(str(error).replace("set token_without_tls", "--token-without-tls")) from error
    return made


def _token(path: str) -> str:
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no text"
        raise BadInput(f"{path}: cannot be read ({reason}); expected a file with one token") from error
    if len(text.split()) != 1:
        raise BadInput(f"{path}: expected one token and nothing else")
    return text


def package() -> Any:
    """`serving.client`. Raises BadInput where it is not installed."""
    try:
        from serving import client
    except ImportError as error:
        raise BadInput(f"the client is not installed ({error}): pip install 'bert-keras[serving]'") from error
    return client


@contextlib.contextmanager
def errors_of(client: Any) -> Iterator[None]:
    """Turns the client's errors into `BadInput` where the user can mend them, else into `WorkFailed`."""
    try:
        yield
    except (client.InvalidInput, client.ModelNotFound, client.SignatureNotFound) as error:
        raise BadInput(str(error)) from error
    except client.ServingError as error:
        raise WorkFailed(str(error)) from error


def _all(*decorators: Callable) -> Callable:
    def add(command: Callable) -> Callable:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return add
