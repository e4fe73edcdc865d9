"""How often a client may call: a token bucket for each of them, in a table that cannot grow without end."""

import ipaddress
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

MAX_CLIENTS = 10_000


class RateLimit:
    """Allows each client `burst` requests at once and `per_second` more every second.

    Args:
        per_second: above 0.
        burst: 0: as many as a second allows, at least one.
        max_clients: clients that are remembered. Beyond that the one that called longest ago is forgotten, and may
            call as one that never did.
        clock: seconds, ascending.
    """

    def __init__(
        self,
        per_second: float,
        burst: int = 0,
        max_clients: int = MAX_CLIENTS,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.per_second = per_second
        self.burst = burst or max(math.ceil(per_second), 1)
        self._max_clients = max_clients
        self._clock = clock
        self._lock = threading.Lock()
        # What each client had left, and when; who called last stands last.
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> float:
        """0.0 where the request may pass, which is counted then; else the seconds until one may."""
        with self._lock:
            now = self._clock()
            left, since = self._left.pop(client, (float(self.burst), now))
            left = min(left + (now - since) * self.per_second, self.burst)
            passes = left >= 1.0
            self._left[client] = (left - 1.0 if passes else left, now)
            if len(self._left) > self._max_clients:
                self._left.popitem(last=False)
        return 0.0 if passes else (1.0 - left) / self.per_second

    @property
    def remembered(self) -> int:
        """How many clients."""
        return len(self._left)


def client_of(peer: str) -> str:
    """Whom an address is counted as: of IPv6 the network of 64 bits, any address of which its holder may use."""
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return peer
    if address.version == 6 and address.ipv4_mapped is None:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(getattr(address, "ipv4_mapped", None) or address)
