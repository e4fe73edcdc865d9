"""The extension that asks for a bearer token: the file, its changes, and what calls meet without one."""

import base64
import json
import logging

import grpc
import numpy as np
import pytest

from serving.protos import get_model_metadata_pb2, model_management_pb2
from serving.server import configuration
from serving.server.extensions.tokens import Client, Tokens
from serving.server.flags import Flags
from serving.server.messages import HealthCheckRequest, HealthCheckResponse
from serving.server.status import ServingError
from tests.serving.endpoint import fill_spec, predict_request

ANNA, BERT = "anna-secret-0123456789", "bert+secret/0123456789=="
PREDICT = "PredictionService/Predict"
REFUSED = "No valid token: expected the header 'authorization: Bearer TOKEN'"


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def token_file(tmp_path):
    """`token_file("anna …", "bert … admin")`: the file's path."""

    def write(*lines):
        path = tmp_path / "tokens"
        path.write_text("\n".join(lines) + "\n")
        path.chmod(0o600)
        return str(path)

    return write


# === The file ===


def test_a_token_names_its_client(token_file):
    tokens = Tokens(token_file("# who calls", "", f"anna {ANNA}", f"  bert\t{BERT}  admin"))
    assert tokens.client(f"Bearer {ANNA}") == Client("anna")
    assert tokens.client(f"bearer  {BERT}") == Client("bert", admin=True)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        ANNA,
        f"Token {ANNA}",
        f"Bearer {ANNA}x",
        f"Bearer {ANNA[:-1]}",
        "Bearer \udcff",
        "Basic !",
    ],
)
def test_anything_else_names_nobody(token_file, header):
    assert Tokens(token_file(f"anna {ANNA}")).client(header, basic=True) is None


def test_a_browsers_password_is_a_token_only_where_that_is_allowed(token_file):
    tokens = Tokens(token_file(f"anna {ANNA}"))
    header = "Basic " + base64.b64encode(f"anyone:{ANNA}".encode()).decode()
    assert tokens.client(header, basic=True) == Client("anna")
    assert tokens.client(header) is None


@pytest.mark.parametrize(
    "line, text",
    [
        ("anna", "expected NAME TOKEN, or NAME TOKEN admin"),
        (f"anna {ANNA} boss", "expected NAME TOKEN, or NAME TOKEN admin"),
        (f"a<b {ANNA}", "the name is not made of 1 to 64 of the characters"),
        ("anna short", "the token of anna is not made of 16 or more of the characters"),
        ("anna 0123456789\u00e401234567", "the token of anna is not made of 16 or more of the characters"),
    ],
)
def test_a_line_that_cannot_be_used_is_told_without_its_token(token_file, line, text):
    path = token_file("# tokens", line)
    with pytest.raises(ServingError) as caught:
        configuration.read(Flags(ext_auth_token_file=path))
    assert str(caught.value).startswith(f"INVALID_ARGUMENT: {path}:2: {text}")
    assert not any(word in str(caught.value) for word in line.split()[1:] if word != "admin")


def test_a_file_without_tokens_or_with_one_twice_or_none_at_all_is_refused(token_file):
    for lines, text in (
        (["# nobody"], "holds no token"),
        ([f"anna {ANNA}", f"bert {ANNA}"], "tokens:2: the token of bert is that of anna too"),
    ):
        with pytest.raises(ServingError, match=text):
            Tokens(token_file(*lines))
    with pytest.raises(ServingError, match="NOT_FOUND: /no/file; No such file or directory"):
        Tokens("/no/file")


def test_a_changed_file_is_read_again_and_a_broken_one_is_not(token_file, caplog):
    clock = Clock()
    path = token_file(f"anna {ANNA}")
    tokens = Tokens(path, clock)
    token_file(f"bert {BERT}")
    assert tokens.client(f"Bearer {ANNA}")  # looked at a moment ago
    clock.now += 1.0
    assert tokens.client(f"Bearer {ANNA}") is None
    assert tokens.client(f"Bearer {BERT}") == Client("bert")
    token_file("bert")
    clock.now += 1.0
    with caplog.at_level(logging.ERROR):
        assert tokens.client(f"Bearer {BERT}") == Client("bert")
    assert "the tokens read before are kept" in caplog.text


def test_a_file_that_others_can_read_is_warned_of(token_file, tmp_path, caplog):
    path = token_file(f"anna {ANNA}")
    Tokens(path)
    assert caplog.text == ""
    (tmp_path / "tokens").chmod(0o644)
    Tokens(path)
    assert "other users can read or change the tokens (mode 644); chmod 600" in caplog.text


# === Calls ===


@pytest.fixture
def guarded(serve_zoo, token_file):
    return serve_zoo(
        ext_auth_token_file=token_file(f"anna {ANNA}", f"bert {BERT} admin"), enable_grpc_healthcheck_service=True
    )


def call(endpoint, name, request, token=None, **options):
    """The response's bytes."""
    metadata = [("authorization", f"Bearer {token}")] if token else []
    with grpc.insecure_channel(endpoint.grpc) as channel:
        method = channel.unary_unary(f"/tensorflow.serving.{name}")
        return method(request.SerializeToString(), timeout=20, metadata=metadata, **options)


def refusal(*args, **options):
    with pytest.raises(grpc.RpcError) as caught:
        call(*args, **options)
    return caught.value.code().name, caught.value.details()


def test_over_grpc_only_tokens_are_answered(guarded):
    _, endpoint = guarded
    request = predict_request("zoo", inputs={"x": np.float32([1.0])})
    assert call(endpoint, PREDICT, request, ANNA)
    assert refusal(endpoint, PREDICT, request) == ("UNAUTHENTICATED", REFUSED)
    assert refusal(endpoint, PREDICT, request, "wrong-token-0123456789") == ("UNAUTHENTICATED", REFUSED)
    metadata = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    fill_spec(metadata.model_spec, "zoo")
    assert refusal(endpoint, "PredictionService/GetModelMetadata", metadata) == ("UNAUTHENTICATED", REFUSED)


def test_only_an_admin_changes_which_models_are_served(guarded, put_version, tmp_path):
    _, endpoint = guarded
    (tmp_path / "m").mkdir()
    put_version(tmp_path / "m", 1)
    reload = model_management_pb2.ReloadConfigRequest()
    reload.config.model_config_list.config.add(name="m", base_path=str(tmp_path / "m"), model_platform="tensorflow")
    name = "ModelService/HandleReloadConfigRequest"
    code, text = refusal(endpoint, name, reload, ANNA)
    assert (code, text.split(":")[0]) == ("PERMISSION_DENIED", "anna may not change which models are served")
    assert call(endpoint, name, reload, BERT) is not None
    assert call(endpoint, PREDICT, predict_request("m", inputs={"x": np.float32([1.0])}), ANNA)


def test_over_rest_only_tokens_are_answered(guarded):
    _, endpoint = guarded
    path, body = "/v1/models/zoo:predict", {"instances": [1.0]}
    assert endpoint.http(path, body, headers={"Authorization": f"Bearer {ANNA}"})[0] == 200
    for headers in ({}, {"Authorization": "Bearer no"}, {"Authorization": f"Basic {ANNA}"}):
        status, text, answered = endpoint.http_with_headers(path, body, headers=headers)
        assert (status, json.loads(text)["error"]) == (401, REFUSED)
        assert answered["WWW-Authenticate"] == 'Bearer realm="bert-keras"'
    assert endpoint.http("/v1/models/zoo")[0] == 401
    assert endpoint.http("/no/page")[0] == 401


def test_a_large_body_without_a_token_gets_its_answer_all_the_same(guarded):
    _, endpoint = guarded
    assert endpoint.http("/v1/models/zoo:predict", b"1" * 4_000_000)[0] == 401


def test_health_is_open(guarded):
    _, endpoint = guarded
    with grpc.insecure_channel(endpoint.grpc) as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        answer = HealthCheckResponse.FromString(check(HealthCheckRequest().SerializeToString(), timeout=20))
    assert answer.status == HealthCheckResponse.SERVING


def test_what_is_no_message_has_the_code_that_grpc_gives_it(guarded, endpoint):
    def code(at, metadata):
        with grpc.insecure_channel(at.grpc) as channel, pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(f"/tensorflow.serving.{PREDICT}")(b"\xff\xff", timeout=20, metadata=metadata)
        return caught.value.code(), caught.value.details()

    assert code(guarded[1], [("authorization", f"Bearer {ANNA}")]) == code(endpoint, [])


def test_a_page_elsewhere_may_ask_whether_it_may_send_a_token(serve_zoo, token_file):
    _, endpoint = serve_zoo(ext_auth_token_file=token_file(f"anna {ANNA}"), rest_api_enable_cors_support=True)
    headers = {"Origin": "http://page"}
    status, _, answered = endpoint.http_with_headers("/v1/models/zoo:predict", None, "OPTIONS", headers)
    assert (status, answered["Access-Control-Allow-Headers"]) == (200, "Content-Type, Authorization")
    status, _, _ = endpoint.http_with_headers("/v1/models/zoo:predict", {"instances": [1.0]}, None, headers)
    assert status == 401
