"""Exact match and F1 of answers, as the official scripts of SQuAD 1.1, SQuAD 2.0 and CMRC 2018 count them.

All numbers here are fractions from 0 to 1; the official scripts print 100 times as much.
"""

import collections
import functools
import re
import string
from collections.abc import Sequence

import numpy as np

from bert_keras.metrics.entities import Counts, each_row, sum_counts

METRICS = ("squad", "cmrc")
VERSIONS = ("1.1", "2.0")


def squad_metrics(
    gold_texts: Sequence[Sequence[str]],
    predicted: Sequence[str],
    version: str = "1.1",
    null_scores: Sequence[float] | None = None,
    null_threshold: float | None = None,
) -> dict[str, float]:
    """SQuAD's exact match and F1; the best of a question's gold answers counts.

    Args:
        gold_texts: of each question all its gold answers; none where it has no answer (version 2.0).
        predicted: of each question one answer; "" for none.
        version: "1.1" or "2.0".
        null_scores: of each question how sure the model is that there is no answer: a probability, or a difference
            of scores. Version 2.0 only.
        null_threshold: questions whose null score is above it count as predicted to have no answer.

    Returns:
        What `answer_metrics_of_counts` gives; with `null_scores` also what `best_null_threshold` gives.

    Raises:
        ValueError: no questions, lengths differ, an unknown version, a null_threshold without null_scores, or, in
            version 1.1, a question without a gold answer (named by its row, counted from 0).
    """
    tuned = {}
    if null_scores is not None and version == "2.0":
        tuned = best_null_threshold(gold_texts, predicted, null_scores)
        if null_threshold is not None:
            predicted = [None if score > null_threshold else text for text, score in zip(predicted, null_scores)]
    elif null_scores is not None or null_threshold is not None:
        raise ValueError("null_threshold needs null_scores, and both need version='2.0'.")
    counts = sum_counts(each_row(lambda *row: squad_counts(*row, version), gold_texts, predicted))
    return answer_metrics_of_counts(counts) | tuned


def squad_counts(gold_texts: Sequence[str], predicted: str | None, version: str = "1.1") -> Counts:
    """The counts of one question, which add up over questions.

    Args:
        gold_texts: its gold answers; none where it has no answer (version 2.0).
        predicted: the answer. None for "no answer" by a threshold, which is right only where there are no gold
            answers; "" is right too where a gold answer is nothing but articles and punctuation.
        version: "1.1" or "2.0".

    Returns:
        "all": float64 `[exact match, F1, 1]`; in version 2.0 the same again as "has_answer" or "no_answer".

    Raises:
        ValueError: an unknown version, or no gold answer in version 1.1.
    """
    if version not in VERSIONS:
        raise ValueError(f"version is {version!r}; expected one of {', '.join(VERSIONS)}.")
    if version == "1.1" and not gold_texts:
        raise ValueError("no gold answer; expected at least one, or version='2.0', which has questions without.")
    exact, f1 = _squad_scores(gold_texts, predicted, version)
    counts = {"all": np.array([exact, f1, 1.0])}
    if version == "2.0":
        counts["has_answer" if gold_texts else "no_answer"] = counts["all"]
    return counts


def answer_metrics_of_counts(counts: Counts) -> dict[str, float]:
    """Fractions from 0 to 1 from summed `squad_counts` or `cmrc_counts`.

    Returns:
        exact_match and f1; in SQuAD 2.0 also has_answer_exact_match, has_answer_f1, no_answer_exact_match and
        no_answer_f1, each where such questions were counted.

    Raises:
        ValueError: no question was counted.
    """
    if not counts:
        raise ValueError("Expected at least one question; got none.")
    out = {}
    for group, (exact, f1, number) in counts.items():
        prefix = "" if group == "all" else f"{group}_"
        out |= {f"{prefix}exact_match": float(exact / number), f"{prefix}f1": float(f1 / number)}
    return out


def best_null_threshold(
    gold_texts: Sequence[Sequence[str]],
    predicted: Sequence[str],
    null_scores: Sequence[float],
    metric: str = "squad",
) -> dict[str, float]:
    """The thresholds over which "no answer" should be said, and what the scores are with them.

    Args:
        gold_texts: of each question its gold answers; none where it has no answer.
        predicted: of each question the best answer that is a text ("" if there is none).
        null_scores: of each question how sure the model is that there is no answer; any scale.
        metric: "squad" (version 2.0) or "cmrc": by whose rules an answer is scored.

    Returns:
        best_exact and best_f1, fractions from 0 to 1, and best_exact_threshold and best_f1_threshold: "no answer"
        where the null score is above it. As the official script, except that questions of equal null score are
        decided together, as a threshold must, and that a threshold that answers nothing is 0 only where every null
        score is above 0, and below the lowest one elsewhere.

    Raises:
        ValueError: no questions, lengths differ, a null score is NaN, or an unknown metric.
    """
    if metric not in METRICS:
        raise ValueError(f"metric is {metric!r}; expected one of {', '.join(METRICS)}.")
    scores = np.asarray(null_scores, "float64")
    if not len(gold_texts) == len(predicted) == len(scores) or not len(scores):
        raise ValueError(
            f"Expected as many predictions and null scores as questions, at least one; "
            f"got {len(predicted)}, {len(scores)} and {len(gold_texts)}."
        )
    if np.isnan(scores).any():
        raise ValueError(f"null_scores: NaN in row {int(np.isnan(scores).argmax())}; expected numbers.")
    scores_of = _cmrc_scores if metric == "cmrc" else functools.partial(_squad_scores, version="2.0")
    # What answering a question adds to the score of leaving it unanswered.
    gain = np.array([
        scores_of(gold, text) if gold else (-1.0 if text else 0.0,) * 2
        for gold, text in zip(gold_texts, predicted)
    ])  # fmt: skip
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    totals = np.concatenate([[[0.0, 0.0]], np.cumsum(gain[order], axis=0)]) + sum(not gold for gold in gold_texts)
    nothing = 0.0 if ordered[0] > 0 else np.nextafter(ordered[0], -np.inf)
    thresholds = np.concatenate([[nothing], ordered])
    last_of_equals = np.concatenate([[True], ordered[1:] != ordered[:-1], [True]])
    totals, thresholds = totals[last_of_equals], thresholds[last_of_equals]
    best = totals.argmax(axis=0)
    out = {}
    for column, name in enumerate(("best_exact", "best_f1")):
        out[name] = float(totals[best[column], column] / len(scores))
        out[f"{name}_threshold"] = float(thresholds[best[column]])
    return out


def clear_threshold(threshold: float, null_scores: Sequence[float], margin: float = 1e-3) -> float:
    """A threshold that decides on these questions as the given one does, and stands clear of their null scores.

    `best_null_threshold` gives the null score of a question: the least rounding in another build of the model would
    turn that question's answer.

    Args:
        threshold: "no answer" is said where the null score is above it.
        null_scores: of each question how sure the model is that there is no answer.
        margin: how far from a null score it may be moved; half way to the next one at most.
    """
    scores = np.asarray(null_scores, "float64")
    below, above = scores[scores <= threshold], scores[scores > threshold]
    if not below.size:
        return float(min(threshold, above.min() - margin)) if above.size else threshold
    room = (above.min() - below.max()) / 2 if above.size else margin
    return float(below.max() + min(margin, room))


def cmrc_metrics(gold_texts: Sequence[Sequence[str]], predicted: Sequence[str]) -> dict[str, float]:
    """CMRC 2018's exact match and F1 for Chinese; the best of a question's gold answers counts.

    Args:
        gold_texts: of each question all its gold answers; none where it has no answer.
        predicted: of each question one answer; "" for none.

    Returns:
        exact_match, f1, and average, the mean of the two, which the task ranks by; where questions have no answer also
        no_answer_exact_match and no_answer_f1; see `cmrc_counts`.

    Raises:
        ValueError: no questions, or lengths differ.
    """
    return cmrc_metrics_of_counts(sum_counts(each_row(cmrc_counts, gold_texts, predicted)))


def cmrc_metrics_of_counts(counts: Counts) -> dict[str, float]:
    """What `answer_metrics_of_counts` gives, and average, the mean of exact_match and f1."""
    out = answer_metrics_of_counts(counts)
    return out | {"average": (out["exact_match"] + out["f1"]) / 2}


def cmrc_counts(gold_texts: Sequence[str], predicted: str) -> Counts:
    """The counts of one Chinese question, which add up over questions: "all": float64 `[exact match, F1, 1]`.

    CMRC 2018 has an answer to every question. One without a gold answer is counted as SQuAD 2.0 counts it: 1 where the
    answer is "", else 0, and the same again as "no_answer".

    Texts lose the case and the script's list of punctuation (which lacks some: `…`, `‘`, the ASCII comma and period).
    Exact match compares what is left. F1 compares pieces: each character from U+4E00 to U+9FA5 is one, and what stands
    between such characters is split into English words. The pieces that count are the longest run that both have.

    The script splits English by `nltk.word_tokenize`; `english_words` follows its rules without its learned model of
    sentence ends, so that F1 can differ where a period and a space stand between Chinese characters, after a rare
    abbreviation or before a word that often begins a sentence, and with commas side by side. Exact match is always the
    same.
    """
    counts = {"all": np.array([*_cmrc_scores(gold_texts, predicted), 1.0])}
    return counts if gold_texts else {**counts, "no_answer": counts["all"]}


def normalize_answer(text: str) -> str:
    """Lower case, without ASCII punctuation, without the words a, an and the, and with single spaces."""
    text = text.lower().translate(_NO_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", text).split())


_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")


def _squad_scores(gold_texts, predicted, version) -> tuple[float, float]:
    if predicted is None:
        return (float(not gold_texts),) * 2
    answer = normalize_answer(predicted)
    golds = [normalize_answer(text) for text in gold_texts]
    if version == "2.0":
        golds = [gold for gold in golds if gold] or [""]
    return float(answer in golds), max(_words_f1(gold.split(), answer.split(), version) for gold in golds)


def _cmrc_scores(gold_texts, predicted) -> tuple[float, float]:
    if not gold_texts:
        return (float(not predicted),) * 2
    answer = _without_punctuation(predicted)
    pieces = _pieces(answer)
    golds = [_without_punctuation(gold) for gold in gold_texts]
    return float(answer in golds), max(_run_f1(_pieces(gold), pieces) for gold in golds)


def _words_f1(gold, predicted, version) -> float:
    if version == "2.0" and not (gold and predicted):
        return float(gold == predicted)
    same = sum((collections.Counter(gold) & collections.Counter(predicted)).values())
    return _f1(same, len(gold), len(predicted))


def _run_f1(gold, predicted) -> float:
    """F1 by the longest run of pieces that stands in both."""
    longest, before = 0, [0] * (len(predicted) + 1)
    for piece in gold:
        here = [0] * (len(predicted) + 1)
        for index, other in enumerate(predicted):
            if piece == other:
                here[index + 1] = before[index] + 1
        longest, before = max(longest, *here), here
    return _f1(longest, len(gold), len(predicted))


def _f1(same, gold, predicted) -> float:
    if not same:
        return 0.0
    precision, recall = same / predicted, same / gold
    return 2 * precision * recall / (precision + recall)


# The script also lists the ellipsis, as two characters: one character never equals it, so it stays in the text.
_CMRC_PUNCTUATION = str.maketrans("", "", "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")
_CHINESE = re.compile("([\u4e00-\u9fa5])")


def _without_punctuation(text: str) -> str:
    return text.lower().strip().translate(_CMRC_PUNCTUATION)


def _pieces(text: str) -> list[str]:
    out = []
    for piece in _CHINESE.split(text):
        out += [piece] if _CHINESE.fullmatch(piece) else english_words(piece)
    return out


def english_words(text: str) -> list[str]:
    """Words and marks of lower-case English, as the Penn Treebank splits them.

    Marks stand alone; a comma inside a number and a period inside a word stay; the period that ends a sentence is cut
    off; `"` becomes two backticks where it opens and two apostrophes where it closes; `don't` becomes `do` and `n't`,
    `it's` becomes `it` and `'s`.
    """
    out = []
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token in ('"', "''"):
            opens = not text[: match.start()] if token == '"' else False
            opens = opens or text[match.start() - 1 : match.start()] in tuple(" ([{<")
            out.append("``" if opens else "''")
        elif match["word"]:
            out += _clitics(*_final_period(token, text[match.end() :]))
        else:
            out.append(token)
    return out


_TOKEN = re.compile(
    r"""\.{2,} | '' | [;@\#$%&?!()\[\]{}<>"«»„‘‒–—―] | ,(?!\d)
    | (?P<word>(?: [^\s.,';@\#$%&?!()\[\]{}<>"«»„‘‒–—―] | \.(?!\.) | '(?!') | ,(?=\d) )+)""",
    re.VERBOSE,
)
_TEXT_ENDS = re.compile(r"""[\])}>"'»\s]*$""")
_SENTENCE_ENDS = re.compile(r"""[?!)";}\]*:@'({\[]""")
# Of common abbreviations those that nltk's model knows; it does not know "e.g", "etc" and some single letters.
_ABBREVIATIONS = frozenset(
    "a.m adm aug ave bros co col corp dec dr feb ft gen inc jan jr lt ltd maj messrs mr mrs ms nov oct p.m ph.d prof "
    "rep sen sep sept sr st u.k u.n u.s u.s.a vs c d e f g h k l m n p r s t v w".split()
)
_WHOLE = {"cannot": 3, "gimme": 3, "gonna": 3, "gotta": 3, "lemme": 3, "wanna": 3, "d'ye": 1, "more'n": 4}
_WHOLE |= {"'tis": 2, "'twas": 2}
_CLITIC = re.compile(r"(?P<stem>.*[^'])(?P<clitic>n't|'(?:s|m|d|ll|re|ve)?)")
_OPENING = re.compile(r"'(?!(?:re|ve|ll|m|t|s|d|n)\b)(?=\w)")


def _final_period(word, rest):
    """The word and its period, cut off where a sentence ends with it."""
    stem = word[:-1]
    if not word.endswith(".") or not stem:
        return word, ""
    if _TEXT_ENDS.match(rest):
        return stem, "."
    initial = len(stem) == 1 or stem.replace(",", "").replace(".", "").isdigit()
    known = stem in _ABBREVIATIONS or (initial and rest.lstrip()[0].islower())
    ends = not known if rest[0].isspace() else _SENTENCE_ENDS.match(rest)
    return (stem, ".") if ends else (word, "")


def _clitics(word, period):
    out, tail = [], [period] if period else []
    if word in _WHOLE:
        return [word[: _WHOLE[word]], word[_WHOLE[word] :], *tail]
    if _OPENING.match(word):
        out, word = ["'"], word[1:]
    if found := _CLITIC.fullmatch(word):
        word, tail = found["stem"], [found["clitic"], *tail]
    return [*out, word, *tail]
