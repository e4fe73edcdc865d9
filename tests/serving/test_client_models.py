"""Which model, version, label and signature the clients call, and `reload`, which says what is served."""

import inspect
import typing

import pytest

from serving import client as serving_client
from serving.client import AsyncClient, Client, ServedModel, read_config
from tests.serving.until import until


@pytest.fixture
def two_versions(put_version, tmp_path):
    put_version(tmp_path, 1)
    put_version(tmp_path, 2)
    return tmp_path


def test_versions_and_labels_are_pinned_for_a_client_or_for_a_call(
    make_client, start_server, settings_of, two_versions
):
    _, endpoint = start_server(settings_of("m", two_versions))
    models = [ServedModel("m", two_versions, versions=(1, 2))]
    with make_client(endpoint.grpc, "m", timeout=60) as client:
        client.reload(models)
        client.wait_until_ready(version=1)
        client.reload([ServedModel("m", two_versions, versions=(1, 2), labels={"stable": 1, "canary": 2})])
        asked = [{}, {"version": 1}, {"version": 2}, {"label": "stable"}, {"label": "canary"}]
        answers = [client.predict([10.0], **which) for which in asked]
        assert [(a["y"].tolist(), a.version) for a in answers] == [
            ([12.0], 2),
            ([11.0], 1),
            ([12.0], 2),
            ([11.0], 1),
            ([12.0], 2),
        ]
        assert client.metadata(label="stable").version == 1
        client.wait_until_ready(label="canary")
    with make_client(endpoint.grpc, "m", label="stable", timeout=60) as client:
        assert client.predict([10.0]).version == 1
        assert client.predict([10.0], version=2).version == 2
        assert [one.version for one in client.status(version=2)] == [2]


def test_reload_serves_what_is_told_and_nothing_else(make_client, start_server, settings_of, two_versions, tmp_path):
    _, endpoint = start_server(settings_of("m", two_versions))
    path = tmp_path / "models.config"
    path.write_text(
        f'model_config_list {{ config {{ name: "n" base_path: "{two_versions}" model_platform: "tensorflow" }} }}'
    )
    with make_client(endpoint.grpc, timeout=60) as client:
        client.reload(read_config(path))
        assert client.predict([10.0], model="n").version == 2
        with pytest.raises(serving_client.ModelNotFound):
            client.predict([10.0], model="m")
        client.reload([])
        until(lambda: {one.state for one in client.status(model="n")} == {"END"})


def test_what_a_server_cannot_serve_is_an_error_that_names_it(make_client, endpoint):
    with make_client(endpoint.grpc, timeout=60) as client:
        with pytest.raises(serving_client.InvalidInput) as caught:
            client.reload([ServedModel("zoo", "here")])
    assert str(caught.value) == (
        "Expected model zoo to have an absolute path or URI; got base_path()=here "
        f"(INVALID_ARGUMENT; server {endpoint.grpc})"
    )


def test_a_model_config_file_that_is_none(tmp_path):
    path = tmp_path / "f"
    path.write_text("model_config_list { confg {} }")
    with pytest.raises(ValueError, match="f:1:21 : .*confg.*; expected a ModelServerConfig in protobuf's text format"):
        read_config(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="f: this is no text"):
        read_config(path)
    with pytest.raises(ValueError, match="no: cannot be read .No such file"):
        read_config(tmp_path / "no")


def test_several_signatures_in_one_run(start_server, settings_of, tf1_base, make_client):
    _, endpoint = start_server(settings_of("m", tf1_base))
    with make_client(endpoint.grpc, "m", timeout=60) as client:
        answers = client.multi_inference([{"x": 0.25}, {"x": 1.0}], classify=["classify"], regress=["regress"])
    assert answers["classify"] == [[("neg", 0.75), ("pos", 0.25)], [("neg", 0.0), ("pos", 1.0)]]
    assert answers["regress"].tolist() == [0.5, 2.0]


@pytest.fixture
def tf1_base(tmp_path):
    from serving.conformance import graphs

    graphs.save_tf1(str(tmp_path / "1"))
    return tmp_path


# === Types ===


def public_functions():
    for name in serving_client.__all__:
        what = getattr(serving_client, name)
        if inspect.isfunction(what):
            yield name, what
        for base in getattr(what, "__mro__", ()):
            if base.__module__.startswith("serving.client"):
                ours = [n for n in vars(base) if n == "__init__" or not n.startswith("__")]
                yield from ((f"{base.__name__}.{n}", vars(base)[n]) for n in ours if inspect.isfunction(vars(base)[n]))


@pytest.mark.parametrize("function", [pytest.param(f, id=name) for name, f in dict(public_functions()).items()])
def test_every_argument_and_result_has_a_type(function):
    hints = typing.get_type_hints(function)
    wanted = {name for name in inspect.signature(function).parameters if name not in ("self", "exc")}
    if function.__name__ != "__init__":
        wanted.add("return")
    assert wanted <= set(hints)


def test_both_clients_take_the_same_arguments():
    def arguments(kind):
        found = vars(kind).items()
        return {n: list(inspect.signature(f).parameters) for n, f in found if inspect.isfunction(f) and n[0] != "_"}

    assert arguments(Client) == arguments(AsyncClient)
