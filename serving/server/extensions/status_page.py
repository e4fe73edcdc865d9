"""A page for people, and the same as JSON: which models are served, how long requests take, how many wait."""

import json
import math
import time
from collections.abc import Sequence
from datetime import datetime, timezone

from serving.server.config import ModelSettings
from serving.server.core import ServerCore
from serving.server.extensions import status_html
from serving.server.metrics import Distribution
from serving.server.rest_api import Page
from serving.server.states import State, VersionRecord

PATH = "/ext/status"
_SHARES = (0.5, 0.95, 0.99)
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # No script, no resource from elsewhere, in no frame: whatever a name held, it could do nothing.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
}


class StatusPage:
    """
    Args:
        core: whose models and metrics are shown.
        name: what the server calls itself.
    """

    def __init__(self, core: ServerCore, name: str):
        self._core = core
        self._name = name
        self._started = time.time()

    def pages(self) -> dict[str, Page]:
        as_html = _HEADERS | {"Content-Type": "text/html; charset=utf-8"}
        as_json = _HEADERS | {"Content-Type": "application/json"}
        return {
            PATH: Page(lambda: status_html.render(self.document()), as_html, for_people=True),
            PATH + ".json": Page(lambda: json.dumps(self.document(), indent=1) + "\n", as_json, for_people=True),
        }

    def document(self) -> dict:
        """What is shown, JSON-able. Times are in milliseconds, the uptime in seconds."""
        metrics = self._core.metrics
        return {
            "server": self._name,
            "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "uptime_seconds": round(time.time() - self._started),
            "models": [self._model(settings, records) for settings, records in self._core.manager.models()],
            "requests": [
                {"model": model, "status": status, "count": count}
                for (model, status), count in metrics.request_count.cells()
            ],
            "latencies": latencies(metrics.request_latency),
        }

    def _model(self, settings: ModelSettings, records: list[VersionRecord]) -> dict:
        return {
            "name": settings.name,
            "base_path": settings.base_path,
            "policy": _policy(settings),
            "labels": dict(sorted(self._core.labels.get(settings.name, {}).items())),
            "versions": [_version(record) for record in records],
        }


def latencies(distribution: Distribution) -> list[dict]:
    """Each cell's name, percentiles and histogram, cut to the ranges from the first to the last that hold anything."""
    edges = [0.0, *distribution.limits, math.inf]
    found = []
    for (model, call, entrypoint), counts, total in distribution.cells():
        held = [at for at, count in enumerate(counts) if count]
        shown = range(held[0], held[-1] + 1)
        found.append(
            {
                "model": model,
                "call": call,
                "entrypoint": entrypoint,
                "count": sum(counts),
                "mean_ms": _ms(total / sum(counts)),
                **{f"p{share * 100:g}_ms": _ms(percentile(edges, counts, share)) for share in _SHARES},
                "histogram": [
                    {
                        "from_ms": _ms(edges[at]),
                        "to_ms": None if edges[at + 1] == math.inf else _ms(edges[at + 1]),
                        "count": counts[at],
                    }
                    for at in shown
                ],
            }
        )
    return found


def percentile(edges: Sequence[float], counts: Sequence[int], share: float) -> float:
    """The value below which this share lies, as if the values were spread evenly in their ranges; the last range, which
    has no end, counts as its beginning."""
    wanted, below = share * sum(counts), 0
    for low, high, count in zip(edges, edges[1:], counts):
        if count and below + count >= wanted:
            return low if high == math.inf else low + (high - low) * (wanted - below) / count
        below += count
    return 0.0


def _version(record: VersionRecord) -> dict:
    servable = record.servable if record.state in (State.AVAILABLE, State.UNLOADING) else None
    queued = servable.queued() if servable else None
    return {
        "version": record.version,
        "state": record.state.name,
        "failures": record.failures,
        "error": str(record.error) if record.error else None,
        "under_way": servable.users if servable else 0,
        "queued_requests": queued[0] if queued else None,
        "queued_rows": queued[1] if queued else None,
    }


def _policy(settings: ModelSettings) -> str:
    if settings.latest is not None:
        return "the newest" if settings.latest == 1 else f"the newest {settings.latest}"
    if settings.versions is not None:
        return "only " + ", ".join(map(str, settings.versions))
    return "all"


def _ms(microseconds: float) -> float:
    return float(f"{microseconds / 1000:.4g}")
