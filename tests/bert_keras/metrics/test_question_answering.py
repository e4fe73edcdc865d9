"""Answer metrics beside the official scripts', and worked by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_keras.metrics import (
    answer_metrics_of_counts,
    best_null_threshold,
    clear_threshold,
    cmrc_counts,
    cmrc_metrics,
    squad_counts,
    squad_metrics,
    sum_counts,
)
from bert_keras.metrics.question_answering import english_words, normalize_answer

GOLDEN = Path(__file__).parents[2] / "golden"
SQUAD = json.loads((GOLDEN / "squad_metrics.json").read_text(encoding="utf-8"))
CMRC = json.loads((GOLDEN / "cmrc_metrics.json").read_text(encoding="utf-8"))
# Official name -> ours; scores there are percentages.
SCORES = {
    "exact_match": "exact_match",
    "exact": "exact_match",
    "f1": "f1",
    "HasAns_exact": "has_answer_exact_match",
    "HasAns_f1": "has_answer_f1",
    "NoAns_exact": "no_answer_exact_match",
    "NoAns_f1": "no_answer_f1",
    "best_exact": "best_exact",
    "best_f1": "best_f1",
}
THRESHOLDS = {"best_exact_thresh": "best_exact_threshold", "best_f1_thresh": "best_f1_threshold"}


@pytest.mark.parametrize("case", SQUAD, ids=[f"{index} {case['version']}" for index, case in enumerate(SQUAD)])
def test_the_numbers_are_those_of_squads_scripts(case):
    official = case["official"]
    expected = {ours: official[name] / 100 for name, ours in SCORES.items() if name in official}
    expected |= {ours: official[name] for name, ours in THRESHOLDS.items() if name in official}
    found = squad_metrics(
        case["gold"], case["predicted"], case["version"], case.get("null_scores"), case.get("threshold")
    )
    assert found == pytest.approx(expected)


def test_f1_by_hand():
    # Normalized: "cat sat" and "black cat sat": 2 words of 2 and of 3.
    metrics = squad_metrics([["The cat sat.", "dog"]], ["a black cat sat"])
    assert metrics == pytest.approx({"exact_match": 0, "f1": 2 * 1 * (2 / 3) / (1 + 2 / 3)})


def test_normalization_drops_case_articles_ascii_punctuation_and_spaces():
    assert normalize_answer("  The  U.S.—an 'A-team'! ") == "us— ateam"


def test_an_empty_answer_to_an_empty_gold_scores_f1_only_in_version_2():
    assert squad_counts(["the"], "", "1.1")["all"].tolist() == [1, 0, 1]
    assert squad_counts(["the"], "", "2.0")["all"].tolist() == [1, 1, 1]


def test_no_answer_is_right_only_where_there_is_none():
    counts = sum_counts([squad_counts([], "", "2.0"), squad_counts([], "x", "2.0"), squad_counts(["x"], "", "2.0")])
    assert answer_metrics_of_counts(counts) == pytest.approx({
        "exact_match": 1 / 3, "f1": 1 / 3,
        "has_answer_exact_match": 0, "has_answer_f1": 0,
        "no_answer_exact_match": 1 / 2, "no_answer_f1": 1 / 2,
    })  # fmt: skip


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(-3, 3)), min_size=1, max_size=12))
def test_the_best_threshold_gives_the_best_score_of_all(rows):
    """Null scores of any scale, with equals among them: every threshold tried."""
    gold = [["x"] if has else [] for has, _, _ in rows]
    predicted = ["x" if right else "y z" for _, right, _ in rows]
    null_scores = [score for *_, score in rows]

    def f1(threshold):
        answers = ["" if score > threshold else text for text, score in zip(predicted, null_scores)]
        return squad_metrics(gold, answers, "2.0")["f1"]

    best = best_null_threshold(gold, predicted, null_scores)
    assert best["best_f1"] == pytest.approx(max(f1(threshold) for threshold in range(-4, 4)))
    assert f1(best["best_f1_threshold"]) == pytest.approx(best["best_f1"])


@given(st.lists(st.floats(-5, 5, width=16), min_size=1, max_size=12), st.data())
def test_a_clear_threshold_decides_as_the_given_one_and_stands_apart(null_scores, data):
    lowest = min(null_scores)
    given_one = data.draw(st.sampled_from([*null_scores, float(np.nextafter(lowest, -np.inf))]))
    clear = clear_threshold(given_one, null_scores, margin=1e-3)
    assert [score > clear for score in null_scores] == [score > given_one for score in null_scores]
    gaps = [high - low for low, high in zip(sorted(null_scores), sorted(null_scores)[1:]) if high > low]
    assert min(abs(clear - score) for score in null_scores) >= 0.999 * min([1e-3, *(gap / 2 for gap in gaps)])


def test_where_every_null_score_is_high_a_threshold_below_them_stays():
    assert clear_threshold(0.0, [2.0, 3.0]) == 0.0
    assert clear_threshold(2.0, [2.0, 1e30]) == pytest.approx(2.001)


def test_a_version_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="version is '3'; expected one of 1.1, 2.0"):
        squad_metrics([["x"]], ["x"], "3")


def test_a_question_without_gold_answers_is_named():
    with pytest.raises(ValueError, match="row 1: no gold answer"):
        squad_metrics([["x"], []], ["x", "x"])


@pytest.mark.parametrize("metrics", [squad_metrics, cmrc_metrics])
def test_no_questions_and_missing_answers_are_refused(metrics):
    with pytest.raises(ValueError, match="at least one question"):
        metrics([], [])
    with pytest.raises(ValueError, match="got 1 and 2"):
        metrics([["x"], ["y"]], ["x"])


def test_null_scores_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="got 1, 2 and 1"):
        best_null_threshold([["x"]], ["x"], [0.1, 0.2])
    with pytest.raises(ValueError, match="NaN in row 1"):
        best_null_threshold([["x"], []], ["x", ""], [0.1, np.nan])
    with pytest.raises(ValueError, match="version='2.0'"):
        squad_metrics([["x"]], ["x"], "1.1", null_scores=[0.1])
    with pytest.raises(ValueError, match="null_threshold needs null_scores"):
        squad_metrics([["x"]], ["x"], "2.0", null_threshold=0.1)


@pytest.mark.parametrize("row", range(len(CMRC["gold"])))
def test_chinese_answers_score_what_cmrcs_script_says(row):
    exact, f1, number = cmrc_counts(CMRC["gold"][row], CMRC["predicted"][row])["all"]
    assert (exact, f1, number) == pytest.approx((CMRC["exact"][row], CMRC["f1"][row], 1))


def test_the_average_is_of_f1_and_exact_match():
    metrics = cmrc_metrics(CMRC["gold"], CMRC["predicted"])
    expected = {"exact_match": np.mean(CMRC["exact"]), "f1": np.mean(CMRC["f1"])}
    assert metrics == pytest.approx(expected | {"average": (expected["exact_match"] + expected["f1"]) / 2})


def test_cmrc_f1_by_hand():
    # 长江 | 大 | 桥 beside 长 | 江 | 桥: the longest run that both have is 长江, 2 of 4 and of 3 pieces.
    assert cmrc_counts(["《长江大桥》"], "长江桥。")["all"] == pytest.approx(
        [0, 2 * (2 / 4) * (2 / 3) / (2 / 4 + 2 / 3), 1]
    )


def test_chinese_questions_without_an_answer_count_as_in_squad_2():
    found = cmrc_metrics([["长江"], [], [], ["北京"]], ["长江", "", "江", ""])
    assert found == pytest.approx({
        "exact_match": 2 / 4, "f1": 2 / 4, "average": 2 / 4, "no_answer_exact_match": 1 / 2, "no_answer_f1": 1 / 2,
    })  # fmt: skip


def test_a_threshold_for_chinese_is_the_best_by_cmrcs_f1():
    # By words both answers to questions that have one are wrong, so that nothing should be answered; by pieces 江 of
    # 长江 is worth 2/3, and more than the wrong answer between them costs.
    gold, predicted, null_scores = [["长江"], [], ["长江"]], ["江", "北", "桥"], [1.0, 2.0, 3.0]
    assert best_null_threshold(gold[:2], predicted[:2], null_scores[:2])["best_f1_threshold"] == 0.0
    best = best_null_threshold(gold, predicted, null_scores, "cmrc")
    assert best["best_f1"] == pytest.approx((2 / 3 + 1) / 3) and best["best_f1_threshold"] == 1.0
    with pytest.raises(ValueError, match="expected one of squad, cmrc"):
        best_null_threshold(gold, predicted, null_scores, "bleu")


@pytest.mark.parametrize("text", CMRC["words"])
def test_english_splits_as_nltk_splits_it(text):
    assert english_words(text) == CMRC["words"][text]


@given(st.text(alphabet="ab1 .,'\"`()!?-\t\n北’é", max_size=12))
def test_splitting_english_loses_and_adds_nothing(text):
    """But for double quotes, which are written in two ways."""

    def characters(string):
        return "".join(string.split()).replace("``", "").replace("''", "").replace('"', "")

    assert characters(" ".join(english_words(text))) == characters(text)
