"""Writes RESULTS.md: every benchmark owns one section of it and replaces that section only."""

import os
import platform
import re
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")
HEADER = "# Results\n\nThe command that a section names writes it. Read the ratios; the times are one machine's.\n"


def write_section(name, body):
    """Replaces the section `name` of RESULTS.md by `body` (Markdown), or adds it at the end; the write is atomic."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    section = f"{begin}\n{body.strip()}\n{end}"
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else HEADER
    if begin in text:
        text = re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: section, text, flags=re.DOTALL)
    else:
        text = f"{text.rstrip()}\n\n{section}\n"
    partial = RESULTS.with_suffix(".tmp")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, RESULTS)


def read_section(name):
    """The body of the section `name` of RESULTS.md, "" where there is none."""
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    found = re.search(f"<!-- begin {re.escape(name)} -->\n(.*?)\n<!-- end {re.escape(name)} -->", text, flags=re.DOTALL)
    return found[1] if found else ""


def table(header, rows):
    """A Markdown table; the first row holds the column names, every cell is a string."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def machine():
    """One phrase about the processor, for beside the numbers."""
    model = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    return f"{os.cpu_count()} cores of {model}"
