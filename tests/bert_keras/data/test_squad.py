"""Questions over contexts: SQuAD's form and JSON Lines, answers that are misplaced or absent, and every defect."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_keras.data.squad import Answer, AnswerCounts, can_train, count_answers, locate, read_squad, trainable
from bert_keras.errors import BadInput

CONTEXT = "Ada met Bob. Ada left."


def question(identity="q1", answers=(("Ada", 0),), text="Who?", **more):
    given = [{"text": text, "answer_start": begin} for text, begin in answers]
    return {"id": identity, "question": text, "answers": given, **more}


def articles(*questions, context=CONTEXT):
    return {"version": "1.1", "data": [{"title": "T", "paragraphs": [{"context": context, "qas": list(questions)}]}]}


@pytest.fixture
def write(tmp_path):
    def write(content, name="a.json"):
        path = tmp_path / name
        if isinstance(content, list):
            content = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in content)
        elif isinstance(content, dict):
            content = json.dumps(content)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


def error_of(path, **options):
    with pytest.raises(BadInput) as caught:
        read_squad(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message.replace(path, "FILE")


class TestArticles:
    def test_a_question_per_record(self, write):
        records = read_squad(write(articles(question(), question("q2", [("Bob", 8), ("met Bob", 4)]))))
        assert records.features == {"question": ["Who?"] * 2, "context": [CONTEXT] * 2, "id": ["q1", "q2"]}
        assert records.targets == [[Answer("Ada", 0)], [Answer("Bob", 8), Answer("met Bob", 4)]]
        assert (records.rows, records.skipped) == ([1, 2], ())

    def test_an_impossible_question_has_no_answers(self, write):
        impossible = question("q2", [("Ada", 0)], is_impossible=True)
        records = read_squad(write(articles(question(is_impossible=False), impossible, question("q3", []))))
        assert records.targets == [[Answer("Ada", 0)], [], []]

    def test_questions_are_numbered_through_the_file(self, write):
        data = articles(question("a"), question("b"))
        data["data"] += articles(question("c"))["data"]
        assert read_squad(write(data)).rows == [1, 2, 3]

    def test_gzip(self, write):
        path = write(gzip.compress(json.dumps(articles(question())).encode()), "a.json.gz")
        assert len(read_squad(path)) == 1

    def test_a_number_is_an_id(self, write):
        assert read_squad(write(articles(question(7)))).features["id"] == ["7"]

    def test_prediction_reads_no_answers(self, write):
        records = read_squad(write(articles({"id": "q", "question": "Who?", "answers": "none"})), require_target=False)
        assert (records.features["question"], records.targets) == (["Who?"], None)


class TestLines:
    def test_both_forms_of_answers(self, write):
        path = write([
            {"question": "Who?", "context": CONTEXT, "id": "x", "answers": [{"text": "Ada", "answer_start": 13}]},
            "",
            {"question": "Who?", "context": CONTEXT, "answers": {"text": ["Bob", "Ada"], "answer_start": [8, 0]}},
            {"question": "Who?", "context": CONTEXT, "answers": {"text": [], "answer_start": []}},
        ], "a.jsonl")  # fmt: skip
        records = read_squad(path)
        assert records.targets == [[Answer("Ada", 13)], [Answer("Bob", 8), Answer("Ada", 0)], []]
        assert (records.features["id"], records.rows) == (["x", "3", "4"], [1, 3, 4])

    def test_prediction_needs_no_answers(self, write):
        path = write([{"question": "Who?", "context": CONTEXT}], "a.jsonl")
        assert read_squad(path, require_target=False).targets is None
        assert error_of(path) == (
            "FILE, row 1, field 'answers': the field is missing; expected it in every question: add it"
        )

    @pytest.mark.parametrize("record, message", [
        ({"question": "Who?"}, ", field 'context': the field is missing"),
        ({"context": "a"}, ", field 'question': the field is missing"),
        ({"question": "Who?", "context": " "}, ", field 'context': the text is empty"),
        ('{"question": }', ": no JSON (Expecting value at character 14)"),
        ({"question": "Who?", "context": "a", "answers": {"text": ["a"], "answer_start": []}},
         ", field 'answers': {'text': ['a'], 'answer_start': []}; expected lists 'text' and 'answer_start' of one"),
    ])  # fmt: skip
    def test_defects_are_placed(self, write, record, message):
        good = {"question": "Who?", "context": "a", "answers": []}
        path = write([good, record, good], "a.jsonl")
        assert error_of(path).startswith("FILE, row 2" + message)
        records = read_squad(path, skip_bad_rows=True)
        assert (records.rows, len(records.skipped)) == ([1, 3], 1)


class TestPlaces:
    @pytest.mark.parametrize("begin, expected", [
        (0, Answer("Ada", 0)),
        (13, Answer("Ada", 13)),
        (1, Answer("Ada", 0, mended=True)),
        (12, Answer("Ada", 13, mended=True)),
        (-1, Answer("Ada", 0, mended=True)),
        (999, Answer("Ada", 13, mended=True)),
    ])  # fmt: skip
    def test_a_misplaced_answer_goes_to_its_nearest_occurrence(self, begin, expected):
        assert locate("Ada", CONTEXT, begin) == expected

    def test_of_two_as_near_the_earlier_is_taken(self):
        assert locate("a", "a.a", 1).begin == 0

    def test_an_answer_that_is_not_there_has_no_place(self):
        assert locate("Eve", CONTEXT, 0) == Answer("Eve", None)

    def test_a_negative_start_does_not_count_from_the_end(self):
        assert locate("b", "ab", -1) == Answer("b", 1, mended=True)

    @given(st.text("ab", min_size=1, max_size=3), st.text("ab", max_size=12), st.integers(-3, 15))
    def test_no_occurrence_is_nearer(self, text, context, begin):
        places = [i for i in range(len(context)) if context[i : i + len(text)] == text]
        nearest = min(places, key=lambda place: (abs(place - begin), place), default=None)
        assert locate(text, context, begin) == Answer(text, nearest, nearest is not None and nearest != begin)

    def test_offsets_are_characters(self, write):
        records = read_squad(write(articles(question(answers=[("é", 2)]), context="😀 é")))
        assert records.targets == [[Answer("é", 2)]]


class TestTraining:
    def records(self, write):
        return read_squad(write(articles(
            question("good"), question("one of two", [("Eve", 0), ("Bob", 7)]), question("none", [("Eve", 3)]),
            question("impossible", [], is_impossible=True),
        )))  # fmt: skip

    def test_every_answer_is_kept_to_compare_with(self, write):
        records = self.records(write)
        assert records.targets[1:3] == [[Answer("Eve", None), Answer("Bob", 8, mended=True)], [Answer("Eve", None)]]
        assert records.skipped == ()

    def test_answers_are_counted(self, write):
        assert count_answers(self.records(write)) == AnswerCounts(answers=4, mended=1, absent=2)

    def test_questions_without_a_place_are_dropped_and_reported(self, write):
        records = trainable(self.records(write))
        assert records.features["id"] == ["good", "one of two", "impossible"]
        assert (records.rows, len(records.targets)) == ([1, 2, 4], 3)
        assert [message.replace(records.source, "FILE") for message in records.skipped] == [
            "FILE, row 3, field 'answers' (id 'none'): the context does not hold 'Eve'; expected an answer that the "
            "context holds word by word: mend it"
        ]

    def test_which_can_be_learnt_from(self):
        assert can_train([]) and can_train([Answer("a", None), Answer("b", 0)])
        assert not can_train([Answer("a", None)])

    def test_nothing_to_learn_from(self, write):
        with pytest.raises(BadInput, match="no question can be learnt from; the first: .*row 1.*'Eve'"):
            trainable(read_squad(write(articles(question(answers=[("Eve", 0)])))))
        with pytest.raises(BadInput, match="the questions have no answers"):
            trainable(read_squad(write(articles(question())), require_target=False))


class TestDefects:
    @pytest.mark.parametrize("bad, message", [
        (question("b", text=""), " (id 'b'), field 'question': the text is empty"),
        (question("b", text=5), " (id 'b'), field 'question': 5 is a number; expected text"),
        ({"id": "b", "answers": []}, " (id 'b'), field 'question': the field is missing"),
        ({"question": "Who?", "answers": []}, ", field 'id': the field is missing"),
        ({"id": "b", "question": "Who?"}, " (id 'b'), field 'answers': the field is missing"),
        (question(None), " (id None), field 'id': None; expected a text or a whole number"),
        (question("a"), " (id 'a'), field 'id': 'a' is also the id of question 1; expected an id of its own"),
        ("text", ": 'text' is no object; expected one with 'id', 'question' and 'answers'"),
        (question("b", is_impossible="no"), " (id 'b'), field 'is_impossible': 'no'; expected true or false"),
        (question("b", [], is_impossible=False), " (id 'b'), field 'answers': there is none, and 'is_impossible'"),
        (question("b", [("", 0)]), " (id 'b'), field 'answers', answer 1: the text is empty"),
        (question("b", [("Ada", 0), ("Bob", "8")]), " (id 'b'), field 'answers', answer 2: 'answer_start' is '8'"),
        (question("b", [("Ada", 1.5)]), " (id 'b'), field 'answers', answer 1: 'answer_start' is 1.5"),
        (question("b", [(7, 0)]), " (id 'b'), field 'answers', answer 1: 7 is a number; expected text"),
        ({"id": "b", "question": "Who?", "answers": "Ada"}, " (id 'b'), field 'answers': 'Ada' is no list"),
        ({"id": "b", "question": "Who?", "answers": ["Ada"]}, " (id 'b'), field 'answers', answer 1: 'Ada'; expected"),
        ({"id": "b", "question": "Who?", "answers": [{"text": "Ada"}]},
         " (id 'b'), field 'answers', answer 1: {'text': 'Ada'}; expected"),
    ])  # fmt: skip
    def test_a_question_is_named(self, write, bad, message):
        path = write(articles(question("a"), bad, question("c")))
        assert error_of(path).startswith("FILE, article 1, paragraph 1, question 2" + message)
        records = read_squad(path, skip_bad_rows=True)
        assert (records.features["id"], records.rows, len(records.skipped)) == (["a", "c"], [1, 3], 1)

    @pytest.mark.parametrize("paragraph, message", [
        ({"context": " ", "qas": [question("b")]}, ", question 1 (id 'b'), field 'context': the text is empty"),
        ({"qas": [question("b")]}, ", question 1, field 'context': the field is missing"),
        ({"context": "a"}, ", field 'qas': None is no list; expected a list of objects"),
        ("text", ", field 'qas': None is no list"),
    ])  # fmt: skip
    def test_a_paragraph_is_named(self, write, paragraph, message):
        data = articles(question("a"))
        data["data"].append({"paragraphs": [paragraph]})
        path = write(data)
        assert error_of(path).startswith("FILE, article 2, paragraph 1" + message)
        assert len(read_squad(path, skip_bad_rows=True).skipped) == 1

    def test_an_article_is_named(self, write):
        data = articles(question("a"))
        data["data"].append({"title": "T"})
        assert error_of(write(data)).startswith("FILE, article 2, field 'paragraphs': None is no list")

    def test_broken_json_is_placed(self, write):
        message = error_of(write('{"data": [\n  {"paragraphs": ]}\n'), skip_bad_rows=True)
        assert message.startswith("FILE, row 2: no JSON (Expecting value at character 18); expected one JSON object")

    @pytest.mark.parametrize("body", ["[]", '{"data": {}}', '{"rows": []}', '"text"'])
    def test_json_of_another_form(self, write, body):
        assert error_of(write(body)).startswith("FILE: this is not SQuAD's form; expected ")

    @pytest.mark.parametrize("body", ["[" * 100_000, '{"data": ' + "9" * 5000 + "}"])
    def test_json_beyond_reason(self, write, body):
        assert error_of(write(body)).startswith("FILE: ")

    def test_a_file_without_questions(self, write):
        assert error_of(write('{"data": []}')) == "FILE: the file holds no question; expected at least one"

    def test_an_unknown_ending(self, write):
        assert error_of(write("{}", "a.xml")).startswith("FILE: the file ending names no known format; expected .json")


@pytest.mark.parametrize("name, questions, counts, unanswerable", [
    ("cmrc2018/cmrc2018_dev.json", 3219, AnswerCounts(9657, 7, 193), 0),
    ("squad_v1.1/train_articles.json", 6715, AnswerCounts(21463, 0, 0), 0),
    ("squad_v2.0/train_articles.json", 6392, AnswerCounts(10173, 0, 0), 3275),
    ("squad_v2.0/eval_articles.json", 2124, AnswerCounts(3681, 0, 0), 1035),
    ("xquad/xquad.th.json", 925, AnswerCounts(925, 0, 0), 0),
])  # fmt: skip
def test_published_files_have_their_published_counts(shared_data, name, questions, counts, unanswerable):
    records = read_squad(shared_data / name)
    assert (len(records), count_answers(records)) == (questions, counts)
    assert sum(not answers for answers in records.targets) == unanswerable
    assert len(trainable(records)) == questions
    for context, answers in zip(records.features["context"], records.targets):
        for answer in answers:
            assert answer.begin is None or context[answer.begin :].startswith(answer.text)


def test_two_questions_of_cmrc_trial_are_empty(shared_data):
    records = read_squad(shared_data / "cmrc2018/cmrc2018_trial.json", skip_bad_rows=True)
    assert (len(records), len(records.skipped), count_answers(records).mended) == (1000, 2, 5)
