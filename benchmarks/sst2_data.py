"""SST-2 as lists, for both workers."""

import csv


def read_sst2(path, fraction=1.0):
    """`(sentences, labels)` of a GLUE-style TSV with a header; `fraction` keeps the first rows of the file."""
    with open(path, encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    rows = rows[: max(1, round(len(rows) * fraction))]
    return [row["sentence"] for row in rows], [int(row["label"]) for row in rows]
