"""A served zoo, for all tests of the server's answers and of the client."""

import shutil
from collections.abc import Iterator

import pytest

from tests.serving.endpoint import Endpoint


@pytest.fixture(scope="session")
def zoo_path(tmp_path_factory):
    """Base path with version 1 of the zoo."""
    from tests.serving import zoo

    base = tmp_path_factory.mktemp("zoo")
    zoo.save_zoo(str(base / "1"))
    return base


@pytest.fixture(scope="session")
def saved_versions(tmp_path_factory):
    """Folders 1 and 2, each a SavedModel that adds its number; to be copied."""
    from tests.serving import zoo

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
