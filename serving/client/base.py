"""What a client and an asyncio client are made with."""

from collections.abc import Iterable

import grpc

from serving.client.calls import Calls
from serving.client.connection import KEEPALIVE_SECONDS, TLS, Connection
from serving.client.which import Which


class BaseClient:
    """One model server, and what is called on it.

    Args:
        target: "host:port" of the server's gRPC port, or "unix:/path".
        model, version, label, signature: what to call where a call does not say. version and label None: the newest
            version. signature None: `serving_default`.
        timeout: seconds that a call may take, all retries included.
        tls: how to encrypt; None for a plain connection.
        credentials: gRPC's own channel credentials, in place of `tls`.
        retries: how often a call that met UNAVAILABLE is tried again; no other failure is.
        wait_for_ready: wait for a server that is not there yet, up to the timeout, instead of failing at once.
        keepalive: seconds without traffic after which the server is asked for a sign of life; None: never.
        max_message_bytes: largest message sent or received; None: gRPC's utmost, 2 GiB.
        options: further gRPC channel options.
        token: a bearer token, shown with every call. ValueError where it would go to another machine unencrypted.
        token_without_tls: show it there all the same.

    Raises ValueError for arguments that cannot be meant. Every call raises a `ServingError` of a fitting type that
    names target, model and version, and ValueError where no model is named.
    """

    def __init__(
        self,
        target: str,
        model: str | None = None,
        version: int | None = None,
        label: str | None = None,
        signature: str | None = None,
        timeout: float = 10.0,
        tls: TLS | None = None,
        credentials: grpc.ChannelCredentials | None = None,
        retries: int = 3,
        wait_for_ready: bool = False,
        keepalive: float | None = KEEPALIVE_SECONDS,
        max_message_bytes: int | None = None,
        options: Iterable[tuple[str, object]] = (),
        token: str | None = None,
        token_without_tls: bool = False,
    ):
        self.target = target
        self.model = model
        self.version = version
        self.label = label
        self.signature = signature
        self.timeout = timeout
        self.wait_for_ready = wait_for_ready
        self._connection = Connection(
            target, tls, credentials, keepalive, max_message_bytes, tuple(options), token, token_without_tls
        )
        self._metadata = self._connection.metadata()
        self._channel_credentials = self._connection.channel_credentials()
        self._calls = Calls(target, Which(model, version, label, signature), timeout, retries)
        self._open()

    def _open(self) -> None:
        """For what a kind of client makes once."""
