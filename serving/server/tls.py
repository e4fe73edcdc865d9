"""TLS for gRPC, from a text-format SSLConfig: PEM text of the server's key and certificate, and whom it trusts."""

from concurrent.futures import ThreadPoolExecutor

import grpc

from serving.server import text_files
from serving.server.messages import SSLConfig
from serving.server.status import ServingError, invalid


def credentials(path: str) -> grpc.ServerCredentials:
    """Credentials of --ssl_config_file. With `client_verify` a client must show a certificate that `custom_ca` signed.

    Raises ServingError, or text_files.NotParsed.
    """
    config = text_files.read(path, SSLConfig())
    if config.client_verify and not config.custom_ca:
        raise invalid(f"{path}: client_verify is set without custom_ca: no client could be trusted")
    made = grpc.ssl_server_credentials(
        [(config.server_key.encode(), config.server_cert.encode())],
        root_certificates=config.custom_ca.encode() or None,
        require_client_auth=config.client_verify,
    )
    _check(made, path)
    return made


def _check(made: grpc.ServerCredentials, path: str) -> None:
    """gRPC looks at keys and certificates only when a port is opened: one is, and closed again."""
    server = grpc.server(ThreadPoolExecutor(1))
    try:
        opened = server.add_secure_port("127.0.0.1:0", made)
    except RuntimeError:
        opened = 0
    finally:
        server.start()  # a server that never started keeps its port open when it is stopped
        server.stop(None).wait()
    if not opened:
        raise _unusable(path)


def _unusable(path: str) -> ServingError:
    return invalid(
        f"Failed to BuildAndStart gRPC server: {path}: server_key and server_cert are no PEM texts that belong "
        "together, or custom_ca is none"
    )
