"""A served zoo, for all tests of the server's answers and of the client."""

import shutil
from collections.abc import Iterator

import pytest

from tests.serving.endpoint import Endpoint


@pytest.fixture(scope="session")
def zoo_path(tmp_path_factory):
    """Base path with version 1 of the zoo."""
    from serving.conformance import zoo

    base = tmp_path_factory.mktemp("zoo")
    zoo.save_zoo(str(base / "1"))
    return base


@pytest.fixture(scope="session")
def sentiment_path(tmp_path_factory):
    """Base path of a model that takes text and says `label` and `score`."""
    from serving.conformance import zoo

    base = tmp_path_factory.mktemp("sentiment")
    zoo.save_sentiment(str(base / "1"))
    return base


@pytest.fixture(scope="session")
def saved_versions(tmp_path_factory):
    """Folders 1 and 2, each a SavedModel that adds its number; to be copied."""
    from serving.conformance import zoo

    base = tmp_path_factory.mktemp("versions")
    for number in (1, 2):
        zoo.save_version(str(base / str(number)), number)
    return base


@pytest.fixture
def put_version(saved_versions):
    """`put_version(base, 2)`: the model that adds 2 appears whole as version 2; `put_version(base, 7, like=1)`."""

    def put(base, number, like=None):
        shutil.copytree(saved_versions / str(like or number), base / f"coming-{number}")
        (base / f"coming-{number}").rename(base / str(number))

    return put


@pytest.fixture(scope="session")
def endpoint(zoo_path) -> Iterator[Endpoint]:
    """A server with the zoo as model `zoo`, in this process; what the tests need of it is its two addresses."""
    with serve(model("zoo", zoo_path)) as server:
        yield Endpoint(f"127.0.0.1:{server.port}", f"http://127.0.0.1:{server.rest_port}")


def model(name, base_path, **settings):
    from serving.server.config import ModelSettings

    return ModelSettings(name, str(base_path), **settings)


def serve(*models, **flags):
    from serving.server.app import ModelServer
    from serving.server.flags import Flags

    return ModelServer(Flags(**flags), list(models), any_port=True)


@pytest.fixture
def start_server():
    """`start_server(model("m", path), flag=value, ...)`: a running server, stopped after the test."""
    running = []

    def start(*models, **flags):
        server = serve(*models, **flags)
        running.append(server)
        server.start()
        return server, Endpoint(f"127.0.0.1:{server.port}", f"http://127.0.0.1:{server.rest_port}")

    yield start
    for server in running:
        server.stop()


@pytest.fixture
def settings_of():
    return model


@pytest.fixture
def batcher():
    """`batcher(max_batch_size=3, ...)`: a `batcher.Batcher`, closed after the test."""
    from tests.serving.batcher import Batcher

    made = []

    def make(**options):
        made.append(Batcher(**options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(scope="session")
def pem_folder(tmp_path_factory):
    """PEM files, a .key and a .crt each: `ca`; `server` and `client`, whom ca signed; `old_server` and `old_client`,
    whom it signed for a time that is over; `stranger`, whom it did not."""
    from serving.conformance.pems import available, make

    if not available():
        pytest.skip("needs the program openssl")
    folder = tmp_path_factory.mktemp("certificates") / "pems"
    make(folder)
    return folder


@pytest.fixture(scope="session")
def pems(pem_folder):
    """Their texts by file name."""
    return {path.name: path.read_text() for path in pem_folder.iterdir() if path.suffix in (".key", ".crt")}


@pytest.fixture
def ssl_file(pems, tmp_path):
    """`ssl_file(client_verify=True, custom_ca="ca.crt")`: path of an SSLConfig in text format."""

    def write(key="server.key", cert="server.crt", custom_ca=None, client_verify=False):
        fields = {"server_key": pems[key], "server_cert": pems[cert]}
        if custom_ca:
            fields["custom_ca"] = pems[custom_ca]
        lines = [f"{name}: {text!r}" for name, text in fields.items()]
        path = tmp_path / "ssl.config"
        path.write_text("\n".join([*lines, f"client_verify: {str(client_verify).lower()}"]))
        return str(path)

    return write


@pytest.fixture
def serve_zoo(start_server, settings_of, zoo_path):
    return lambda **given: start_server(settings_of("zoo", zoo_path), **given)


@pytest.fixture(params=["sync", "asyncio"])
def make_client(request):
    """The class of a client: what the one does, the other does."""
    from serving.client import Client
    from tests.serving.blocking import BlockingAsyncClient

    return Client if request.param == "sync" else BlockingAsyncClient


@pytest.fixture
def proxy(endpoint):
    """A `proxy.Proxy` before the zoo."""
    from tests.serving.proxy import Proxy

    with Proxy(endpoint.grpc) as one:
        yield one
