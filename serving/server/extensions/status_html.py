"""How the status page looks: one HTML document without scripts or anything from elsewhere, that asks anew by itself."""

from html import escape

_REFRESH_SECONDS = 5
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --bar: #3b82c4; --bad: #c0392b; --good: #2e8b57; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .3rem; }
p { margin: .2rem 0; } .quiet { opacity: .7; } code { overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0; }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
.AVAILABLE { color: var(--good); font-weight: 600; } .failed { color: var(--bad); overflow-wrap: anywhere; }
svg { display: block; width: 100%; height: 9rem; }
rect { fill: var(--bar); } text { fill: currentColor; font-size: 10px; }
"""
# Of a histogram: its width, the height of the longest bar, and of what stands above and below.
_WIDTH, _BAR, _ABOVE, _BELOW = 900, 90, 16, 18
_LABEL = 45  # what a time below it needs


def render(document: dict) -> str:
    """The page of a `StatusPage.document`. Everything in it is escaped: names are whatever callers sent."""
    body = [
        f"<h1>{escape(document['server'])}</h1>",
        f'<p class="quiet">up for {_duration(document["uptime_seconds"])}, as of {escape(document["time"])}; this page '
        f"asks anew every {_REFRESH_SECONDS} seconds</p>",
        *map(_model, document["models"]),
        _requests(document["requests"]),
        *map(_latency, document["latencies"]),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="refresh" content="{_REFRESH_SECONDS}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Model server: status</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(filter(None, body))
        + "\n</body></html>\n"
    )


def _model(model: dict) -> str:
    labels: dict[int, list[str]] = {}
    for label, version in model["labels"].items():
        labels.setdefault(version, []).append(label)
    rows = [_version(version, labels.get(version["version"], [])) for version in model["versions"]]
    if not rows:
        rows = ['<tr><td colspan="6" class="quiet">no version yet</td></tr>']
    return (
        f"<h2>Model {escape(model['name'])}</h2>\n"
        f'<p class="quiet">serves {escape(model["policy"])} of <code>{escape(model["base_path"])}</code></p>\n'
        + _table(["Version", "State", "Labels", "#Under way", "#Waiting for a batch", "Error"], rows)
    )


def _version(version: dict, labels: list[str]) -> str:
    requests, rows = version["queued_requests"], version["queued_rows"]
    waiting = "" if requests is None else f"{requests} ({rows} rows)"
    error = version["error"] or (f"failed {version['failures']} times" if version["failures"] else "")
    state = version["state"]
    return (
        f'<tr><td>{version["version"]}</td><td class="{state}">{state}</td><td>{escape(", ".join(labels))}</td>'
        f'<td class="number">{version["under_way"]}</td>'
        f'<td class="number">{waiting}</td>'
        f'<td class="failed">{escape(error)}</td></tr>'
    )


def _requests(requests: list[dict]) -> str:
    if not requests:
        return '<h2>Requests</h2>\n<p class="quiet">none yet</p>'
    rows = [
        f"<tr><td>{escape(one['model'])}</td><td>{escape(one['status'])}</td>"
        f'<td class="number">{one["count"]}</td></tr>'
        for one in requests
    ]
    return "<h2>Requests</h2>\n" + _table(["Model", "Outcome", "#Count"], rows)


def _latency(latency: dict) -> str:
    title = f"{latency['call']} of {latency['model']}, {latency['entrypoint']}"
    shares = ", ".join(f"{share} {latency[f'p{share[:-2]}_ms']:g} ms" for share in ("50 %", "95 %", "99 %"))
    return (
        f"<h2>Latency: {escape(title)}</h2>\n"
        f"<p>{latency['count']} answers, mean {latency['mean_ms']:g} ms; {shares}</p>\n"
        + _histogram(latency["histogram"], title)
    )


def _histogram(ranges: list[dict], title: str) -> str:
    """Bars of equal width, one for each range of time; the ranges grow by the same factor."""
    most = max(one["count"] for one in ranges)
    width = min(_WIDTH / len(ranges), 90)
    parts = []
    for at, one in enumerate(ranges):
        height = _BAR * one["count"] / most
        left, top = at * width, _ABOVE + _BAR - height
        end = "more" if one["to_ms"] is None else f"{one['to_ms']:g} ms"
        parts.append(
            f'<rect x="{left + 1:.1f}" y="{top:.1f}" width="{width - 2:.1f}" height="{height:.1f}">'
            f"<title>{one['from_ms']:g} to {end}: {one['count']}</title></rect>"
        )
        if one["count"]:
            parts.append(
                f'<text x="{left + width / 2:.1f}" y="{top - 3:.1f}" text-anchor="middle">{one["count"]}</text>'
            )
        if width >= _LABEL or at % 2 == 0:
            parts.append(f'<text x="{left + 1:.1f}" y="{_ABOVE + _BAR + 12}">{one["from_ms"]:g} ms</text>')
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_ABOVE + _BAR + _BELOW}" role="img" preserveAspectRatio="xMinYMid meet">'
        f"<title>Latency: {escape(title)}</title>{''.join(parts)}</svg>"
    )


def _table(columns: list[str], rows: list[str]) -> str:
    """`#` before a column's name: it holds numbers."""
    cells = [
        f'<th class="number">{escape(name[1:])}</th>' if name[0] == "#" else f"<th>{escape(name)}</th>"
        for name in columns
    ]
    return f"<table><thead><tr>{''.join(cells)}</tr></thead>\n<tbody>{''.join(rows)}</tbody></table>"


def _duration(seconds: int) -> str:
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3600)
    clock = f"{hours}:{rest // 60:02}:{rest % 60:02}"
    return f"{days} days {clock}" if days else clock
