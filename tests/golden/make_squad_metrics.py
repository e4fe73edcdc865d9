"""Writes squad_metrics.json: made-up questions and answers, and what SQuAD's official scripts say of them.

Run with any Python and the paths of the two scripts, which are not in the tree:
`python tests/golden/make_squad_metrics.py evaluate-v1.1.py evaluate-v2.0.py`.
"""

import json
import pathlib
import random
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
WORDS = (
    "The the a an An cat dog's (river) 1,024 Zürich U.S. ice-cream “quoted” naïve don't 北京 blue, blue! -- $5".split()
)


def answer(random_):
    return " ".join(random_.choice(WORDS) for _ in range(random_.randint(1, 5)))


def changed(random_, text):
    words = text.split()
    if random_.random() < 0.3:
        words.insert(random_.randrange(len(words) + 1), random_.choice(WORDS))
    if random_.random() < 0.3:
        del words[random_.randrange(len(words))]
    return random_.choice(("{}", "{}", "{}.", "  {} ", "the {}")).format(" ".join(words))


def questions(random_, number, unanswerable):
    golds, predicted = [], []
    for _ in range(number):
        gold = [answer(random_) for _ in range(random_.randint(1, 3))]
        text = changed(random_, random_.choice(gold)) if random_.random() < 0.8 else answer(random_)
        if random_.random() < unanswerable:
            gold = []
        golds.append(gold)
        predicted.append("" if random_.random() < unanswerable / 2 else text)
    return golds, predicted


def official(script, golds, predicted, null_scores=None, threshold=None):
    """What the script prints for these questions, by a run of it."""
    qas = [
        {"id": str(row), "question": "?", "answers": [{"text": text, "answer_start": 0} for text in gold]}
        for row, gold in enumerate(golds)
    ]
    version = "2.0" if "2.0" in script else "1.1"
    files = {
        "data": {"version": version, "data": [{"paragraphs": [{"context": "", "qas": qas}]}]},
        "predictions": {str(row): text for row, text in enumerate(predicted)},
        "null": {str(row): score for row, score in enumerate(null_scores or ())},
    }
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: pathlib.Path(folder) / f"{name}.json" for name in files}
        for name, value in files.items():
            paths[name].write_text(json.dumps(value))
        command = [sys.executable, script, paths["data"], paths["predictions"]]
        if null_scores is not None:
            command += ["--na-prob-file", paths["null"], "--na-prob-thresh", str(threshold)]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main(script_1, script_2):
    random_ = random.Random(11)
    cases = []
    for _ in range(4):
        golds, predicted = questions(random_, 25, 0)
        golds += [["x y"], ["the"], ["a", "An!"], ["..."]]
        predicted += ["", "", "the", "x"]
        cases.append({"version": "1.1", "gold": golds, "predicted": predicted})
        cases[-1]["official"] = official(script_1, golds, predicted)
    for unanswerable in (0.0, 0.3, 0.5, 1.0):
        golds, predicted = questions(random_, 30, unanswerable)
        if unanswerable < 1:
            golds += [["the"], ["x", "the"], ["..."]]
            predicted += ["", "a", "x"]
        cases.append({"version": "2.0", "gold": golds, "predicted": predicted})
        cases[-1]["official"] = official(script_2, golds, predicted)
        null_scores = [round(random_.random(), 6) for _ in golds]
        case = {"version": "2.0", "gold": golds, "predicted": predicted, "null_scores": null_scores, "threshold": 0.6}
        cases.append(case | {"official": official(script_2, golds, predicted, null_scores, 0.6)})
    text = json.dumps(cases, ensure_ascii=False, separators=(",", ":"))
    (HERE / "squad_metrics.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
