"""The client against a served model: values, fitting of inputs, typed errors."""

import time

import grpc
import numpy as np
import pytest

from serving import client as serving_client
from serving.client import query
from serving.client.query import _rows


@pytest.fixture
def client(endpoint, make_client):
    with make_client(endpoint.grpc, model="zoo") as one:
        yield one


# === Predict ===


def test_one_text_is_a_batch_of_one_and_text_comes_back_as_str(client):
    answer = client.predict("good good", signature="sentiment")
    assert answer["label"].tolist() == ["pos"]
    assert answer["classes"].tolist() == [["neg", "pos"]]
    assert answer["score"].tolist() == [1.0]
    assert (answer.model, answer.version, answer.signature) == ("zoo", 1, "sentiment")


def test_texts_keep_their_order(client):
    answer = client.predict(["bad", "good", "Überhaupt – 好"], signature="sentiment")
    assert answer["label"].tolist() == ["neg", "pos", "neg"]


def test_an_array_for_the_only_input_and_a_dict_by_name(client):
    assert client.predict(np.float32([1.0, 2.0]))["y"].tolist() == [2.5, 3.0]
    assert client.predict({"x": [1.0, 2.0]})["y"].tolist() == [2.5, 3.0]


def test_lists_take_the_dtypes_of_the_signature(client):
    answer = client.predict({"x": [1, 2], "k": np.array([3, 4], np.int64)}, signature="two")
    assert (answer["total"].tolist(), answer["total"].dtype) == ([4.0, 6.0], np.float32)
    assert (answer["double_k"].tolist(), answer["double_k"].dtype) == ([6, 8], np.int32)


def test_only_the_outputs_asked_for_are_computed(client):
    assert list(client.predict({"x": [1.0], "k": [3]}, ["double_k"], signature="two")) == ["double_k"]


def test_every_kind_of_output_by_value(client):
    answer = client.predict([1.0, 0.0], signature="kinds")
    plain = {name: (array.dtype.name, array.tolist()) for name, array in answer.items()}
    assert plain == {
        "f64": ("float64", [1.0, 0.0]),
        "i64": ("int64", [1, 0]),
        "u8": ("uint8", [1, 0]),
        "flag": ("bool", [True, False]),
        "text": ("object", ["1.0", "0.0"]),
        "raw_bytes": ("object", [b"\x00\xff", b"\x00\xff"]),
    }


def test_a_large_batch_passes_both_ways(client):
    x = np.arange(3_000_000, dtype=np.float32)
    assert np.array_equal(client.predict(x)["y"], x * np.float32(0.5) + 2)


def test_no_rows_give_no_answers(client):
    assert client.predict([], signature="sentiment")["label"].tolist() == []


# === What does not fit is said here, with the way out ===


@pytest.mark.parametrize(
    "signature, inputs, text",
    [
        ("two", {"x": [1.0]}, "missing input 'k': signature 'two' expects k: int32 [any]; x: float [any]"),
        (
            None,
            {"text": ["a"]},
            "missing input 'x', unknown input 'text': signature 'serving_default' expects x: float [any]",
        ),
        ("two", [1.0], "signature 'two' has the inputs k, x: pass a dict with these keys"),
        (None, ["a"], "input 'x' must be float [any]: got text"),
        ("sentiment", [1.0], "input 'text' must be string [any]: got float64"),
        ("sentiment", ["a", 1], "input 'text' must be string [any]: got int 1"),
        (
            "two",
            {"x": [1.0], "k": [1.5]},
            "input 'k' must be int32 [any]: got float64, which does not convert without loss",
        ),
        ("two", {"x": [1.0], "k": [2**31]}, "input 'k' must be int32 [any]: 2147483648 does not fit"),
        ("matmul", [1.0, 2.0], "input 'x' must be float [any, 2], got shape [2]"),
        ("matmul", [[1.0, 2.0, 3.0]], "input 'x' must be float [any, 2], got shape [1, 3]"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_before_they_are_sent(client, endpoint, signature, inputs, text):
    with pytest.raises(serving_client.InvalidInput) as caught:
        client.predict(inputs, signature=signature)
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.INVALID_ARGUMENT, text)
    assert str(caught.value) == (f"{text} (INVALID_ARGUMENT; server {endpoint.grpc}, model zoo, newest version)")


def test_rows_of_different_lengths_are_refused(client):
    with pytest.raises(serving_client.InvalidInput):
        client.predict([[1.0, 2.0], [1.0]], signature="matmul")


def test_an_unknown_signature_is_told_with_those_there_are(client):
    with pytest.raises(serving_client.SignatureNotFound, match="no signature 'none'; it has: .*half_plus_two"):
        client.predict([1.0], signature="none")


# === Errors of the server ===


def test_an_unknown_model(make_client, endpoint):
    with make_client(endpoint.grpc, model="nobody") as client:
        with pytest.raises(serving_client.ModelNotFound) as caught:
            client.predict([1.0])
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    assert caught.value.details() == "Servable not found for request: Latest(nobody)"
    assert f"server {endpoint.grpc}, model nobody, newest version" in str(caught.value)


@pytest.mark.parametrize(
    "which, details",
    [
        ({"version": 0}, "Servable not found for request: Specific(zoo, 0)"),
        ({"label": "canary"}, "Unrecognized servable version label: canary"),
    ],
)
def test_an_unknown_version_or_label(make_client, endpoint, which, details):
    with make_client(endpoint.grpc, model="zoo", **which) as client:
        with pytest.raises(serving_client.ModelNotFound) as caught:
            client.predict([1.0])
    assert caught.value.details() == details


def test_an_unknown_output_is_the_servers_to_refuse(client):
    with pytest.raises(serving_client.InvalidInput, match="output tensor alias not found in signature: z"):
        client.predict([1.0], ["z"])


def test_an_answer_that_takes_too_long(client):
    client.predict([0.0], signature="slow")
    started = time.monotonic()
    with pytest.raises(serving_client.Timeout) as caught:
        client.predict([20.0], signature="slow", timeout=0.5)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - started < 5


def test_nobody_at_the_target(make_client):
    with make_client("127.0.0.1:1", model="zoo", retries=0) as client:
        with pytest.raises(serving_client.Unavailable):
            client.predict([1.0])
        with pytest.raises(serving_client.Timeout, match="not ready after 0.5 s: "):
            client.wait_until_ready(0.5)


def test_a_model_must_be_named(make_client, endpoint):
    with make_client(endpoint.grpc) as client:
        assert client.predict([1.0], model="zoo")["y"].tolist() == [2.5]
        with pytest.raises(ValueError, match="no model named"):
            client.predict([1.0])
    with pytest.raises(ValueError, match="both given"):
        make_client(endpoint.grpc, version=1, label="a")


# === The other calls ===


def test_classify_and_regress_take_plain_dicts(client):
    assert client.classify([{"x": 0.25}], signature="classify") == [[("neg", 0.75), ("pos", 0.25)]]
    values = client.regress([{"x": 0.25}, {"x": [1.0], "note": "text"}], signature="regress")
    assert (values.tolist(), values.dtype) == ([0.5, 2.0], np.float32)


def test_metadata_describes_the_signatures(client):
    found = client.metadata()
    assert str(found["two"].inputs["k"]) == "int32 [any]"
    assert found["sentiment"].outputs["classes"].shape == (None, 2)
    assert found["sentiment"].text_inputs == ["text"]
    assert "__saved_model_init_op" not in found


def test_status_and_wait(client):
    assert client.status() == [serving_client.VersionStatus(1, "AVAILABLE", "OK", "")]
    client.wait_until_ready(5)


def test_a_replaced_version_with_another_signature_is_met_without_an_error(
    make_client, start_server, settings_of, put_version, zoo_path, tmp_path
):
    import shutil

    put_version(tmp_path, 1)
    _, endpoint = start_server(settings_of("m", tmp_path))
    with make_client(endpoint.grpc, model="m") as client:
        assert client.predict([1.0])["y"].tolist() == [2.0]
        with pytest.raises(serving_client.SignatureNotFound):
            client.predict("good", signature="sentiment")
        shutil.copytree(zoo_path / "1", tmp_path / "coming")
        (tmp_path / "coming").rename(tmp_path / "2")
        end = time.monotonic() + 20
        while client.status()[-1].version != 2 or client.status()[-1].state != "AVAILABLE":
            assert time.monotonic() < end
            time.sleep(0.05)
        assert client.predict("good", signature="sentiment").version == 2


# === query ===


def test_query_gives_one_plain_dict_per_text(endpoint):
    answers = query(endpoint.grpc, "zoo", ["good good", "bad"], signature="sentiment")
    assert answers == [
        {"label": "pos", "score": 1.0, "classes": ["neg", "pos"], "scores": [0.0, 1.0]},
        {"label": "neg", "score": 0.75, "classes": ["neg", "pos"], "scores": [0.75, 0.25]},
    ]


def test_rows_are_cut_and_what_has_no_rows_is_given_whole():
    outputs = {"score": np.float32([0.98, 0.5]), "names": np.array(["a", "b", "c"], object), "total": np.float64(2.5)}
    assert _rows(outputs, 2) == [
        {"names": ["a", "b", "c"], "score": 0.98, "total": 2.5},
        {"names": ["a", "b", "c"], "score": 0.5, "total": 2.5},
    ]


def test_query_makes_objects_of_arrays_beside_a_count():
    outputs = {
        "found_text": np.array([["ada", "rome"], ["bob", ""], ["", ""]], object),
        "found_begin": np.array([[0, 4], [2, -1], [-1, -1]]),
        "found_count": np.array([2, 1, 0]),
        "head_count": np.array([3, 4, 5]),
        "label": np.array(["a", "b", "c"], object),
    }
    assert _rows(outputs, 3) == [
        {"found": [{"begin": 0, "text": "ada"}, {"begin": 4, "text": "rome"}], "head_count": 3, "label": "a"},
        {"found": [{"begin": 2, "text": "bob"}], "head_count": 4, "label": "b"},
        {"found": [], "head_count": 5, "label": "c"},
    ]


def test_query_sends_pairs(endpoint):
    assert query(endpoint.grpc, "zoo", ["a", "b"], ["a", "c"], signature="same") == [{"same": True}, {"same": False}]


def test_query_is_told_which_input_takes_the_second_texts(endpoint):
    asked = {"signature": "asked", "second": "context"}
    assert query(endpoint.grpc, "zoo", ["who"], ["ada"], **asked) == [{"asked": "who | ada"}]
    with pytest.raises(serving_client.InvalidInput, match="'context' and 'question'.*--second NAME"):
        query(endpoint.grpc, "zoo", ["who"], ["ada"], signature="asked")
    with pytest.raises(serving_client.InvalidInput, match="second is 'context', but there are no second texts"):
        query(endpoint.grpc, "zoo", ["who"], signature="sentiment", second="context")


def test_query_sends_many_texts_in_batches_and_keeps_their_order(endpoint):
    texts = [("good", "bad")[n % 3 == 0] for n in range(150)]
    labels = [answer["label"] for answer in query(endpoint.grpc, "zoo", texts, signature="sentiment")]
    assert labels == [("pos", "neg")[n % 3 == 0] for n in range(150)]


@pytest.mark.parametrize(
    "signature, pairs, text",
    [
        ("same", None, "does not take single texts; it expects text: string [any]; text_pair: string [any]"),
        ("sentiment", ["b"], "does not take pairs of texts; it expects text: string [any]"),
        ("two", None, "does not take single texts; it expects k: int32 [any]; x: float [any]"),
        ("same", ["b", "c"], "1 texts but 2 second texts: expected one for each"),
    ],
)
def test_query_says_what_the_model_takes(endpoint, signature, pairs, text):
    with pytest.raises(serving_client.InvalidInput, match=text.replace("[", "\\[")):
        query(endpoint.grpc, "zoo", ["a"], pairs, signature=signature)
