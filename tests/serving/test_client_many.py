"""predict_many: order, bounds, laziness and failure, of both clients."""

import itertools

import numpy as np
import pytest

from serving import client as serving_client

TEXTS = [("good", "bad")[n % 3 == 0] for n in range(23)]
LABELS = [("pos", "neg")[n % 3 == 0] for n in range(23)]


@pytest.fixture
def client(make_client, proxy):
    with make_client(proxy.target, "zoo", timeout=60) as one:
        yield one


def test_answers_come_one_per_item_in_their_order(client, proxy):
    answers = list(client.predict_many(TEXTS, ["label", "scores"], signature="sentiment", batch_size=5))
    assert [answer["label"] for answer in answers] == LABELS
    assert answers[0]["scores"].tolist() == [0.75, 0.25]
    assert (answers[0].model, answers[0].version, answers[0].signature) == ("zoo", 1, "sentiment")
    assert proxy.calls.count("Predict") == 5


def test_order_is_kept_when_a_later_request_is_answered_first(client, proxy):
    proxy.first_waits()
    answers = client.predict_many(TEXTS, signature="sentiment", batch_size=4, concurrency=3)
    assert [answer["label"] for answer in answers] == LABELS


def test_as_many_requests_are_under_way_as_allowed_and_no_more(client, proxy):
    client.metadata()
    proxy.meet(3)
    answers = list(client.predict_many(np.arange(12, dtype=np.float32), batch_size=1, concurrency=3))
    assert [float(answer["y"]) for answer in answers] == [2 + n / 2 for n in range(12)]
    assert proxy.most_at_once == 3


def test_items_are_read_as_they_are_needed(client):
    read = []

    def endless():
        for n in itertools.count():
            read.append(n)
            yield float(n)

    answers = client.predict_many(endless(), batch_size=2, concurrency=2)
    assert [float(next(answers)["y"]) for _ in range(3)] == [2.0, 2.5, 3.0]
    answers.close()
    assert len(read) <= 2 * 2 * 2 + 2  # twice the concurrency of batches, and the one that was answered


def test_dicts_are_one_row_each(client):
    items = [{"text": "a", "text_pair": "a"}, {"text_pair": "c", "text": "b"}]
    assert [bool(answer["same"]) for answer in client.predict_many(items, signature="same")] == [True, False]


def test_an_output_without_rows_is_given_whole(client):
    totals = [float(answer["total"]) for answer in client.predict_many([1.0, 2.0, 4.0], signature="scalar")]
    assert totals == [7.0, 7.0, 7.0]


def test_nothing_gives_nothing(client, proxy):
    assert list(client.predict_many([])) == []
    assert proxy.calls == []


def test_answers_before_a_failure_are_given_and_the_failure_names_its_items(client, proxy):
    good = [1.0] * 4
    answers = client.predict_many([*good, "text", 1.0, 1.0], batch_size=2, concurrency=1)
    assert [float(next(answers)["y"]) for _ in good] == [2.5] * 4
    with pytest.raises(serving_client.InvalidInput, match="input 'x' must be float") as caught:
        next(answers)
    assert caught.value.where == f"server {proxy.target}, model zoo, newest version, items[4:6]"
    assert list(answers) == []


def test_items_must_name_the_same_inputs(client):
    for items in ([{"x": 1.0}, {"k": 1}], [{"x": 1.0}, 1.0], [1.0, {"x": 1.0}]):
        with pytest.raises(serving_client.InvalidInput, match="name different inputs.*same keys for all"):
            list(client.predict_many(items, signature="two"))


def test_a_text_or_a_dict_is_not_many_items(client):
    with pytest.raises(TypeError, match="not one text"):
        client.predict_many("good")
    with pytest.raises(TypeError, match="not one dict"):
        client.predict_many({"x": [1.0]})
    with pytest.raises(ValueError, match="batch_size=0"):
        client.predict_many([1.0], batch_size=0)
    with pytest.raises(ValueError, match="concurrency=0"):
        client.predict_many([1.0], concurrency=0)
