"""Writes entities.json: random tag sequences and seqeval's numbers for them, lenient and strict.

Needs a Python with seqeval 1.2.2, in no environment of the tree:
`/tmp/golden/bin/pip install seqeval`, then `/tmp/golden/bin/python tests/golden/make_entities.py`.
"""

import json
import pathlib
import random
import warnings

from seqeval import scheme
from seqeval.metrics.sequence_labeling import get_entities, precision_recall_fscore_support
from seqeval.metrics.v1 import precision_recall_fscore_support as strict_support
from seqeval.metrics.v1 import unique_labels

HERE = pathlib.Path(__file__).parent
BIO = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-given-name", "I-given-name"]
ALPHABETS = {
    "bio": BIO,
    "one type": ["O", "B-PER", "I-PER"],
    "without types": ["O", "B", "I", "I-PER"],
    "ends and singles": ["O", "B-PER", "I-PER", "E-PER", "S-PER", "I-LOC", "E-LOC"],
    "outside only": ["O"],
}


def sentence(random_, tags):
    return [random_.choice(tags) for _ in range(random_.randint(1, 9))]


def noisy(random_, tags, gold):
    """A prediction that is right two times in three."""
    return [tag if random_.random() < 0.67 else random_.choice(tags) for tag in gold]


def numbers(support, types, gold, predicted, **arguments):
    out = {}
    by_type = support(gold, predicted, average=None, zero_division=0, **arguments)
    for name, *values in zip(types, *by_type):
        out |= {f"{key}_{name}": float(v) for key, v in zip(("precision", "recall", "f1", "support"), values)}
    for prefix, average in (("", "micro"), ("macro_", "macro")):
        values = support(gold, predicted, average=average, zero_division=0, **arguments)
        out |= {f"{prefix}{key}": float(v) for key, v in zip(("precision", "recall", "f1"), values)}
    return out


def main():
    warnings.simplefilter("ignore")
    random_ = random.Random(7)
    cases = []
    for name, tags in ALPHABETS.items():
        for _ in range(6):
            gold = [sentence(random_, tags) for _ in range(random_.randint(1, 12))]
            predicted = [noisy(random_, tags, row) for row in gold]
            case = {"name": name, "gold": gold, "predicted": predicted}
            types = sorted({kind for rows in (gold, predicted) for row in rows for kind, *_ in get_entities(row)})
            # Without an entity seqeval takes the mean of nothing.
            case["lenient"] = numbers(precision_recall_fscore_support, types, gold, predicted) if types else None
            if all(tag[0] in "BIO" for tag in tags):
                types = unique_labels(gold, predicted, scheme.IOB2)
                case["strict"] = numbers(strict_support, types, gold, predicted, scheme=scheme.IOB2) if types else None
            cases.append(case)
    (HERE / "entities.json").write_text(json.dumps(cases, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
