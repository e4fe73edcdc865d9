"""`bert-keras deploy`: what a model server in production is configured with."""

import os
from pathlib import Path

import click

from bert_keras.cli import contract, output
from bert_keras.cli.progress import working
from bert_keras.errors import BadInput

_COUNT = click.IntRange(1, 1000)
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(cls=contract.Command, short_help="Write configuration for a server in production.")
@click.argument("base")
@click.option("--out", metavar="DIR", help="A new directory for the files.")
@click.option("--name", help="The model's name for clients. Without this: the directory's name.")
@click.option("--embedded", is_flag=True, help="For this package's own server, not TensorFlow Serving.")
@click.option("--image", help="Container image of the server, with its tag.")
@click.option("--replicas", type=_COUNT, default=2, show_default=True, help="Servers at any time; up to 3 times that.")
@click.option("--cpus", type=_COUNT, default=4, show_default=True, help="Cores of each.")
@click.option("--memory", type=click.IntRange(256), metavar="MIB", help="MiB of each. Without this: by the model.")
@click.option("--batching", is_flag=True, help="Put requests together: for many callers at the same time.")
@click.option("--tls-cert", type=_FILE, help="PEM file of the server's certificate: TLS for gRPC.")
@click.option("--tls-key", type=_FILE, help="PEM file of its private key.")
@click.option("--client-ca", type=_FILE, help="PEM file of who signs clients' certificates, which are then asked for.")
@click.option("--warm-up", type=_FILE, metavar="FILE", help="Texts that become the newest version's warm-up requests.")
def deploy(base, out, tls_cert, tls_key, client_ca, warm_up, memory, **options):
    """Write the configuration for serving the versions below BASE: models.config, monitoring.config, batching.config,
    ssl.config, a Dockerfile and kubernetes.yaml.

    --warm-up takes a text a line, or (.jsonl) an object of the model's inputs a line; without --out it is all that is
    done.
    """
    from serving.deploy import BadDeployment, deployment

    if not out and not warm_up:
        raise BadInput("there is nothing to do; expected --out DIR, --warm-up FILE or both")
    try:
        tls = _ssl_config(tls_cert, tls_key, client_ca)
        made = deployment.make_deployment(base, memory_mib=memory, tls=tls is not None, **options)
        if warm_up:
            _warm_up(made.folder.newest, warm_up)
        if out:
            _write(out, made, tls, bool(warm_up))
    except BadDeployment as error:
        raise BadInput(str(error)) from error


def _warm_up(version: Path, path: Path):
    from serving.deploy.warmup import write_warmup

    with working("loading TensorFlow"):
        count = write_warmup(version, path)
    click.echo(f"{version}: {count} warm-up requests")


def _write(out, made, tls: str | None, was_warmed: bool):
    from serving.deploy import configuration, kubernetes

    files = configuration.config_files(made)
    if not made.embedded:
        files["Dockerfile"] = configuration.dockerfile(made)
    files["kubernetes.yaml"] = kubernetes.to_yaml(kubernetes.manifests(made))
    with output.new_directory(out) as temporary:
        for name, text in files.items():
            (temporary / name).write_text(text, encoding="utf-8")
        if tls:
            with open(temporary / "ssl.config", "w", opener=_private) as file:
                file.write(tls)
    click.echo(f"{out}: {', '.join([*files, *['ssl.config'] * bool(tls)])}")
    click.echo(f"{made.replicas} servers of {made.cpus} cores and {made.memory_mib} MiB")
    if tls:
        secret = f"{made.object_name}-tls --from-file=ssl.config={out}/ssl.config"
        click.echo(f"ssl.config holds the private key: kubectl create secret generic {secret}")
    if not made.folder.has_warmup and not was_warmed:
        click.echo(f"{made.folder.newest} has no warm-up requests: the first answers will be slow; see --warm-up")


def _private(path, flags):
    return os.open(path, flags, 0o600)


def _ssl_config(certificate: Path | None, key: Path | None, client_ca: Path | None) -> str | None:
    from serving.deploy.configuration import ssl_config

    if not (certificate or key or client_ca):
        return None
    if not (certificate and key):
        raise BadInput("TLS needs a certificate and its key; expected both --tls-cert and --tls-key")
    return ssl_config(_pem(key), _pem(certificate), client_ca and _pem(client_ca))


def _pem(path: Path) -> str:
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: it cannot be read ({getattr(error, 'strerror', 'no text')}); expected PEM") from error
    if "-----BEGIN " not in text:
        raise BadInput(f"{path}: there is no line -----BEGIN …; expected PEM")
    return text
