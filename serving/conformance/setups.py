"""The servers that the cases ask: flags, files and models of each, started once for all of its cases."""

import contextlib
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc

from serving.conformance import pems
from serving.conformance.models import BATCHED, PLAIN, PLAIN_FLAGS, config_text
from serving.conformance.process import ServerProcess
from serving.conformance.subject import Subject
from serving.conformance.wire import Endpoint
from serving.ports import free_ports


@dataclass(frozen=True)
class Program:
    """What is under test.

    Args:
        argv: the program.
        models: the suite's models.
        flags: names of the flags that its usage lists.
        patience: seconds that it may take to start.
    """

    argv: tuple[str, ...]
    models: Path
    flags: frozenset[str]
    patience: float


def words_of(executable: str) -> tuple[str, ...]:
    """The words of a command line, the first one as a path. Raises ValueError, with the reason."""
    words = shlex.split(executable)
    if not words:
        raise ValueError("it is empty")
    found = shutil.which(words[0])
    if found is None:
        raise ValueError(f"{words[0]} is no program that can be run")
    return (found, *words[1:])


@dataclass(frozen=True)
class Prepared:
    """Flags of a server, and files of its that cases look at or change, by name."""

    flags: tuple[str, ...]
    files: dict[str, Path]


@dataclass(frozen=True)
class Setup:
    """One server.

    Args:
        name: what cases call it.
        prepare: writes the set-up's files into a folder, and gives its flags and files.
        served: what a reload of this server keeps.
        rest: opens a REST port.
        waits: its ports open only when a case has given it a model.
        ordered: its cases build on each other.
        tls: "server", "mutual": where the machine has openssl; "": plain connections.
    """

    name: str
    prepare: Callable[[Program, Path], Prepared]
    served: tuple[str, ...] = ()
    rest: bool = True
    waits: bool = False
    ordered: bool = False
    tls: str = ""


@contextlib.contextmanager
def started(setup: Setup, program: Program) -> Iterator[Subject]:
    """The running server. Raises process.NotStarted."""
    with tempfile.TemporaryDirectory(prefix=f"conformance-{setup.name}-") as folder:
        folder = Path(folder)
        prepared = setup.prepare(program, folder)
        ports = free_ports(2 if setup.rest else 1)
        flags = [f"--{name}={port}" for name, port in zip(("port", "rest_api_port"), ports)]
        credentials = None
        if setup.tls and pems.available():
            texts = pems.make(folder / "pems")
            flags.append(f"--ssl_config_file={_ssl_config(folder, texts, setup.tls)}")
            credentials = client_credentials(texts, "client" if setup.tls == "mutual" else None)
            prepared.files["pems"] = folder / "pems"
        host = "localhost" if credentials else "127.0.0.1"  # the name that the certificate has
        process = ServerProcess([*program.argv, *flags, *prepared.flags], folder)
        endpoint = Endpoint(f"{host}:{ports[0]}", f"http://127.0.0.1:{ports[-1]}" if setup.rest else "", credentials)
        try:
            if not setup.waits:
                process.wait_for_ports(ports, program.patience)
            yield Subject(endpoint, str(program.models), setup.served, folder, process, prepared.files)
        finally:
            process.stop()


def client_credentials(texts: dict[str, str], who: str | None) -> grpc.ChannelCredentials:
    """Of a client that trusts the suite's authority and shows the certificate of `who`."""
    pair = [texts[f"{who}.key"].encode(), texts[f"{who}.crt"].encode()] if who else [None, None]
    return grpc.ssl_channel_credentials(texts["ca.crt"].encode(), *pair)


def _ssl_config(folder: Path, texts: dict[str, str], tls: str) -> Path:
    fields = {"server_key": texts["server.key"], "server_cert": texts["server.crt"]}
    if tls == "mutual":
        fields["custom_ca"] = texts["ca.crt"]
    lines = [f"{name}: {text!r}" for name, text in fields.items()]
    path = folder / "ssl.config"
    path.write_text("\n".join([*lines, f"client_verify: {str(tls == 'mutual').lower()}"]))
    return path


def _write(folder: Path, **texts: str) -> dict[str, Path]:
    files = {name: folder / f"{name}.config" for name in texts}
    for name, text in texts.items():
        files[name].write_text(text)
    return files


# === The set-ups ===


def _plain(program: Program, folder: Path) -> Prepared:
    files = _write(folder, models=config_text(str(program.models), PLAIN))
    return Prepared((f"--model_config_file={files['models']}", *PLAIN_FLAGS), files)


def _flags(program: Program, folder: Path) -> Prepared:
    models = config_text(str(program.models), FLAGS_SERVED)
    labels = 'version_labels { key: "stable" value: 1 } version_labels { key: "ahead" value: 9 }'
    models = models.replace('name: "ops"', f'name: "ops" {labels}')
    files = _write(folder, models=models, monitoring="prometheus_config { enable: true }")
    flags = [
        f"--model_config_file={files['models']}",
        f"--monitoring_config_file={files['monitoring']}",
        f"--grpc_socket_path={folder / 'socket'}",
        # Booleans in both of their forms.
        "--allow_version_labels_for_unavailable_models",
        "--enable_grpc_healthcheck_service",
        "--enable_signature_method_name_check=true",
        "--rest_api_enable_cors_support=true",
        "--rest_api_timeout_in_ms=2000",
        "--grpc_channel_arguments=grpc.max_metadata_size=100000,grpc.absolute_max_metadata_size=200000",
        "--model_config_file_poll_wait_seconds=1",
        "--num_request_iterations_for_warmup=3",
        "--max_num_load_retries=0",
    ]
    if "enable_serialization_as_tensor_content" in program.flags:
        flags.append("--enable_serialization_as_tensor_content=true")
    return Prepared(tuple(flags), files)


def _batching(program: Program, folder: Path) -> Prepared:
    files = _write(
        folder,
        models=config_text(str(program.models), tuple(BATCHED)),
        monitoring='prometheus_config { enable: true path: "/numbers" }',
    )
    flags = (
        f"--model_config_file={files['models']}",
        f"--monitoring_config_file={files['monitoring']}",
        "--enable_batching=true",
        "--enable_per_model_batching_parameters=true",
        "--rest_api_timeout_in_ms=700",
        "--max_num_load_retries=0",
    )
    return Prepared(flags, files)


def _lives(program: Program, folder: Path) -> Prepared:
    (folder / "default").mkdir()
    flags = (
        f"--model_base_path={folder / 'default'}",
        "--max_num_load_retries=1",
        "--load_retry_interval_micros=3000000",
    )
    return Prepared(flags, {"base": folder / "default"})


def _once(program: Program, folder: Path) -> Prepared:
    shutil.copytree(program.models / "tagged", folder / "tagged")
    files = _write(folder, models=config_text(str(folder), ("tagged",)), batching="max_batch_size { value: 2 }")
    flags = (
        f"--model_config_file={files['models']}",
        f"--grpc_socket_path={folder / 'socket'}",
        "--file_system_poll_wait_seconds=0",
        "--enable_model_warmup=false",
        "--saved_model_tags=special",
        "--enable_batching",
        f"--batching_parameters_file={files['batching']}",
    )
    return Prepared(flags, {**files, "base": folder / "tagged"})


FLAGS_SERVED = ("ops", "old", "warm")

SETUPS = {
    setup.name: setup
    for setup in (
        Setup("plain", _plain, PLAIN),
        Setup("flags", _flags, FLAGS_SERVED),
        Setup("batching", _batching, tuple(BATCHED)),
        Setup("lives", _lives, rest=False, waits=True, ordered=True, tls="server"),
        Setup("once", _once, tls="mutual"),
    )
}
