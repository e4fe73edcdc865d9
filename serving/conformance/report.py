"""What became of each case: a line each, the counts by section, a file for machines."""

import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from serving.conformance.case import Case, Mismatch
from serving.conformance.rows import PARTLY, SECTIONS, UNOBSERVABLE

OK, FAILED, SKIPPED = "ok", "FAILED", "skipped"
_WIDEST = 700


@dataclass(frozen=True)
class Result:
    """detail: why it failed or was skipped; mismatch: what was expected and came, where that is why."""

    case: Case
    outcome: str
    seconds: float = 0.0
    detail: str = ""
    mismatch: Mismatch | None = None

    def line(self) -> str:
        head = f"{self.outcome:<8} {self.case.id}"
        if self.outcome == OK:
            return head
        told = f"{head}: {_short(self.detail)}"
        if self.outcome == FAILED:
            told += f"\n         the genuine server: {self.case.says} [{self.case.source}]"
        return told

    def as_json(self) -> dict:
        record = {"id": self.case.id, "outcome": self.outcome, "seconds": round(self.seconds, 3)}
        record |= {"genuine": self.case.says, "source": self.case.source, "detail": self.detail}
        if self.mismatch:
            record |= {name: getattr(self.mismatch, name) for name in ("sent", "expected", "got")}
        return record


def summary(results: Iterable[Result]) -> str:
    """A line for each section, and one for all."""
    counts: dict[str, Counter] = {}
    for result in results:
        counts.setdefault(result.case.section, Counter())[result.outcome] += 1
    lines = [f"{number:<4} {SECTIONS[number]}: {_counted(counts[number])}" for number in SECTIONS if number in counts]
    return "\n".join([*lines, f"all: {_counted(sum(counts.values(), Counter()))}"])


def listing(cases: Iterable[Case]) -> str:
    """The cases, and what cannot be observed."""
    lines = []
    for case in cases:
        where = f"server `{case.setup}`" if case.setup else "started by the case"
        lines += [case.id, f"    the genuine server: {case.says}", f"    {case.source}; {where}"]
    lines += ["", "Rows that cannot be observed from outside:"]
    lines += [f"{row}\n    {why}" for row, why in UNOBSERVABLE.items()]
    lines += ["", "Rows that are observed in part:"]
    lines += [f"{row}\n    {why}" for row, why in PARTLY.items()]
    return "\n".join(lines)


def write_json(path: Path, target: str, results: list[Result]) -> None:
    """The whole file or none of it."""
    document = {"target": target, "results": [result.as_json() for result in results]}
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1, ensure_ascii=False)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _counted(counts: Counter) -> str:
    return f"{counts[OK]} ok, {counts[FAILED]} failed, {counts[SKIPPED]} skipped"


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _WIDEST else text[:_WIDEST] + " ..."
