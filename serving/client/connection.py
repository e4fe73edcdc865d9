"""Where a server is and how to speak to it: target, TLS, token, keepalive, sizes."""

import ipaddress
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import grpc

_SCHEMES = ("unix:", "unix-abstract:", "dns:", "ipv4:", "ipv6:", "xds:")
# A server cuts off who asks for signs of life more often than every five minutes, unless it was told otherwise.
KEEPALIVE_SECONDS = 310.0
_LEAST_KEEPALIVE = 10.0  # gRPC takes less for this
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")


@dataclass(frozen=True)
class TLS:
    """An encrypted connection.

    Args:
        ca: PEM file of the authorities that the server's certificate is checked against; None: gRPC's own list.
        certificate, key: PEM files of the client's own certificate chain and its key, for mutual TLS.
        server_name: the name that the server's certificate bears, where it is not the target's host; for Unix sockets.
    """

    ca: str | os.PathLike[str] | None = None
    certificate: str | os.PathLike[str] | None = None
    key: str | os.PathLike[str] | None = None
    server_name: str | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """Reads the files. Raises ValueError where one cannot be used: gRPC itself would only find no connection."""
        if (self.certificate is None) != (self.key is None):
            raise ValueError("TLS: a client's certificate and its key go together: give both, or neither")
        self._check()
        return grpc.ssl_channel_credentials(_read(self.ca), _read(self.key), _read(self.certificate))

    def _check(self) -> None:
        import ssl

        for path in (self.ca, self.certificate, self.key):
            _read(path)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self.ca is not None:
            try:
                context.load_verify_locations(self.ca)
            except ssl.SSLError:
                raise ValueError(f"{os.fspath(self.ca)}: no certificates; expected a PEM file of them") from None
        if self.certificate is not None:
            try:
                context.load_cert_chain(self.certificate, self.key, password="")
            except (ssl.SSLError, ValueError):
                raise ValueError(
                    f"{os.fspath(self.certificate)} and {os.fspath(self.key)}: no certificate and key that belong "
                    "together; expected PEM files, the key without a password"
                ) from None


@dataclass(frozen=True)
class Connection:
    """What a channel is made of.

    Args:
        target: "host:port", "unix:/path", or another of gRPC's name schemes.
        tls: None for a plain connection.
        credentials: gRPC's own, in place of `tls`.
        keepalive: seconds without traffic after which the server is asked for a sign of life; None: never.
        max_message_bytes: largest message sent or received; None: gRPC's utmost, 2 GiB.
        options: further gRPC channel options, which win.
        token: shown with every call, as `authorization: Bearer TOKEN` (RFC 6750).
        token_without_tls: show it over a plain connection to another machine too, where it can be read on the way.

    Raises ValueError for what cannot be meant.
    """

    target: str
    tls: TLS | None = None
    credentials: grpc.ChannelCredentials | None = None
    keepalive: float | None = KEEPALIVE_SECONDS
    max_message_bytes: int | None = None
    options: Iterable[tuple[str, object]] = ()
    token: str | None = field(default=None, repr=False)
    token_without_tls: bool = False

    def __post_init__(self) -> None:
        _check_target(self.target)
        if self.tls is not None and self.credentials is not None:
            raise ValueError("tls and credentials are both given: pass one of them")
        if self.keepalive is not None and self.keepalive < _LEAST_KEEPALIVE:
            raise ValueError(f"keepalive={self.keepalive:g}: expected at least {_LEAST_KEEPALIVE:g} seconds, or None")
        if self.max_message_bytes is not None and self.max_message_bytes < 1:
            raise ValueError(f"max_message_bytes={self.max_message_bytes}: expected a positive number, or None")
        self._check_token()

    def channel_options(self) -> list[tuple[str, object]]:
        largest = -1 if self.max_message_bytes is None else self.max_message_bytes
        made: dict[str, object] = {
            "grpc.max_receive_message_length": largest,  # gRPC's own limit of 4 MB cuts off ordinary batches
            "grpc.max_send_message_length": largest,
            # A server that comes back is found soon: gRPC's own first pause is longer than all of a call's retries.
            "grpc.initial_reconnect_backoff_ms": 100,
            "grpc.max_reconnect_backoff_ms": 2_000,
        }
        if self.keepalive is not None:
            made["grpc.keepalive_time_ms"] = int(self.keepalive * 1000)
        if self.tls is not None and self.tls.server_name is not None:
            made["grpc.ssl_target_name_override"] = self.tls.server_name
        return list((made | dict(self.options)).items())

    def metadata(self) -> tuple[tuple[str, str], ...] | None:
        """What is sent beside every request."""
        return None if self.token is None else (("authorization", f"Bearer {self.token}"),)

    def _check_token(self) -> None:
        if self.token is None:
            return
        if not _TOKEN.fullmatch(self.token):
            raise ValueError("token: expected one or more of the characters A-Z a-z 0-9 . _ ~ + / - with = at the end")
        encrypted = self.tls is not None or self.credentials is not None
        if not (encrypted or self.token_without_tls or _is_local(self.target)):
            raise ValueError(
                f"token: {self.target} is another machine and the connection is plain, so the token could be read on "
                "the way: use TLS, or set token_without_tls where something else encrypts the way"
            )

    def channel_credentials(self) -> grpc.ChannelCredentials | None:
        return self.tls.credentials() if self.tls is not None else self.credentials


def _is_local(target: str) -> bool:
    if target.startswith(("unix:", "unix-abstract:")):
        return True
    # "dns:///localhost:8500", "ipv4:127.0.0.1:8500,127.0.0.2:8500", "ipv6:[::1]:8500"
    addresses = re.sub(r"^(dns|ipv4|ipv6|xds):(//[^/]*/)?", "", target).split(",")
    return all(_is_local_host(address.rpartition(":")[0].strip("[]")) for address in addresses)


def _is_local_host(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_target(target: str) -> None:
    if "://" in target and not target.startswith(_SCHEMES):
        raise ValueError(f"target {target!r}: expected HOST:PORT of the server's gRPC port, without a URL's scheme")
    if target.startswith(_SCHEMES):
        if not target.partition(":")[2].strip("/"):
            raise ValueError(f"target {target!r}: nothing stands behind the scheme; expected unix:/path, for example")
        return
    host, colon, port = target.rpartition(":")
    # gRPC would go to port 443 where none is named.
    if not (host and colon and port.isdecimal() and 0 < int(port) < 65536) or (":" in host and host[-1] != "]"):
        raise ValueError(f"target {target!r}: expected HOST:PORT or unix:/path, for example localhost:8500")


def _read(path: str | os.PathLike[str] | None) -> bytes | None:
    if path is None:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ValueError(
            f"{os.fspath(path)}: cannot be read ({error.strerror or error}); expected a PEM file"
        ) from None
