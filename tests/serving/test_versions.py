"""Lives of versions: load, swap, drain, retry, give up. A stand-in for loading, so that nothing is slow."""

import threading
import time

import pytest

from serving.server.config import ModelSettings
from serving.server.manager import ModelManager
from serving.server.servable import Servable
from serving.server.status import Code, ServingError
from tests.serving.until import until


class FakeSession:
    signatures: dict = {}

    def __init__(self):
        self.closed = False

    def run(self, feeds, fetches, timeout_ms=None):
        assert not self.closed
        return []

    def close(self):
        self.closed = True


class Loader:
    """Loads what `failing` does not name, and remembers what it loaded."""

    def __init__(self):
        self.loaded, self.failing, self.sessions = [], {}, {}

    def __call__(self, name, version, path):
        self.loaded.append(version)
        if version in self.failing:
            raise self.failing[version]
        self.sessions[version] = FakeSession()
        return Servable(name, version, self.sessions[version])


@pytest.fixture
def loader():
    return Loader()


@pytest.fixture
def manage(loader, tmp_path):
    managers = []

    def start(retries=0, retry_seconds=0.05, **settings):
        manager = ModelManager(loader, poll_seconds=0.05, max_retries=retries, retry_seconds=retry_seconds)
        managers.append(manager)
        manager.configure([ModelSettings("m", str(tmp_path), **settings)])
        manager.start()
        return manager

    yield start
    for manager in managers:
        manager.stop(timeout=1)


def put(base, name, pb=True):
    folder = base / str(name)
    folder.mkdir()
    if pb:
        (folder / "saved_model.pb").write_bytes(b"graph")
    return folder


def states(manager):
    return {record.version: record.state.name for record in manager.records("m")}


# === Lives of versions ===


def test_the_newest_version_is_loaded_and_no_other(manage, loader, tmp_path):
    put(tmp_path, 1), put(tmp_path, 2)
    manager = manage()
    manager.wait_until_ready(["m"])
    assert (loader.loaded, states(manager)) == ([2], {2: "AVAILABLE"})


def test_a_new_version_replaces_the_old_one(manage, loader, tmp_path):
    put(tmp_path, 1)
    manager = manage()
    manager.wait_until_ready(["m"])
    put(tmp_path, 2)
    until(lambda: states(manager) == {1: "END", 2: "AVAILABLE"})
    assert loader.sessions[1].closed
    assert list(manager.available("m")) == [2]


def test_the_old_version_is_closed_only_after_its_last_request(manage, loader, tmp_path):
    put(tmp_path, 1)
    manager = manage()
    manager.wait_until_ready(["m"])
    held = manager.available("m")[1]
    assert held.acquire()
    put(tmp_path, 2)
    until(lambda: states(manager) == {1: "UNLOADING", 2: "AVAILABLE"})
    assert held.acquire() is False
    assert not loader.sessions[1].closed
    held.release()
    until(lambda: states(manager)[1] == "END")
    assert loader.sessions[1].closed


def test_removing_the_newest_version_brings_the_one_before_back(manage, loader, tmp_path):
    put(tmp_path, 1)
    two = put(tmp_path, 2)
    manager = manage()
    manager.wait_until_ready(["m"])
    (two / "saved_model.pb").unlink()
    two.rmdir()
    until(lambda: states(manager) == {1: "AVAILABLE", 2: "END"})


def test_a_base_path_that_is_away_unloads_nothing(manage, tmp_path):
    put(tmp_path, 1)
    manager = manage()
    manager.wait_until_ready(["m"])
    tmp_path.rename(tmp_path.with_name("away"))
    time.sleep(0.3)
    assert states(manager) == {1: "AVAILABLE"}
    tmp_path.with_name("away").rename(tmp_path)


def test_a_half_copied_version_waits_and_uses_up_no_retry(manage, loader, tmp_path):
    put(tmp_path, 1)
    manager = manage()
    manager.wait_until_ready(["m"])
    folder = put(tmp_path, 2, pb=False)
    time.sleep(0.3)
    assert (states(manager), loader.loaded) == ({1: "AVAILABLE"}, [1])
    (folder / "saved_model.pb").write_bytes(b"graph")
    until(lambda: states(manager) == {1: "END", 2: "AVAILABLE"})


def test_the_old_version_stays_when_its_folder_goes_before_the_new_one_is_whole(manage, tmp_path):
    one = put(tmp_path, 1)
    manager = manage()
    manager.wait_until_ready(["m"])
    two = put(tmp_path, 2, pb=False)
    (one / "saved_model.pb").unlink()
    one.rmdir()
    time.sleep(0.3)
    assert states(manager) == {1: "AVAILABLE"}
    (two / "saved_model.pb").write_bytes(b"graph")
    until(lambda: states(manager) == {1: "END", 2: "AVAILABLE"})


def test_a_version_that_serves_after_a_retry_does_not_mind_changes_in_its_folder(manage, loader, tmp_path):
    loader.failing[1] = ServingError(Code.UNAVAILABLE, "disk is away")
    folder = put(tmp_path, 1)
    manager = manage(retries=1000)
    until(lambda: loader.loaded)
    loader.failing.clear()
    manager.wait_until_ready(["m"])
    for size in range(8):
        (folder / "saved_model.pb").write_bytes(b"x" * size)
        time.sleep(0.05)
    assert (states(manager), list(manager.available("m"))) == ({1: "AVAILABLE"}, [1])


def test_a_version_that_fails_leaves_the_old_one_serving(manage, loader, tmp_path):
    put(tmp_path, 1)
    manager = manage(retries=1)
    manager.wait_until_ready(["m"])
    loader.failing[2] = ServingError(Code.DATA_LOSS, "broken")
    put(tmp_path, 2)
    until(lambda: states(manager).get(2) == "END")
    assert loader.loaded == [1, 2, 2]
    assert states(manager) == {1: "AVAILABLE", 2: "END"}
    assert str(manager.records("m")[1].error) == "DATA_LOSS: broken"


def test_a_failed_version_is_tried_again_when_its_files_change(manage, loader, tmp_path):
    put(tmp_path, 1)
    manager = manage()
    manager.wait_until_ready(["m"])
    loader.failing[2] = ServingError(Code.DATA_LOSS, "broken")
    folder = put(tmp_path, 2)
    until(lambda: states(manager).get(2) == "END")
    loader.failing.clear()
    (folder / "saved_model.pb").write_bytes(b"a better graph")
    until(lambda: states(manager) == {1: "END", 2: "AVAILABLE"})


def test_waiting_for_a_model_that_is_given_up_fails_with_its_reason(manage, loader, tmp_path):
    loader.failing[3] = ServingError(Code.NOT_FOUND, "no tags")
    put(tmp_path, 3)
    manager = manage(retries=2)
    with pytest.raises(ServingError) as caught:
        manager.wait_until_ready(["m"], "servable(s)")
    assert str(caught.value) == (
        "UNKNOWN: 1 servable(s) did not become available: {{{name: m version: 3} due to error: NOT_FOUND: no tags}, }"
    )
    assert loader.loaded == [3, 3, 3]


def test_several_versions_are_served_side_by_side(manage, tmp_path):
    for number in (1, 2, 3):
        put(tmp_path, number)
    manager = manage(latest=2)
    until(lambda: set(manager.available("m")) == {2, 3})
    put(tmp_path, 4)
    until(lambda: set(manager.available("m")) == {3, 4})


def test_all_versions_are_served_where_the_policy_says_so(manage, tmp_path):
    for number in (1, 2, 3):
        put(tmp_path, number)
    manager = manage(latest=None)
    until(lambda: set(manager.available("m")) == {1, 2, 3})


def test_named_versions_are_served_and_no_newer_one(manage, loader, tmp_path):
    for number in (1, 2, 3, 4):
        put(tmp_path, number)
    manager = manage(latest=None, versions=(3, 1, 9))
    until(lambda: set(manager.available("m")) == {1, 3})
    assert sorted(loader.loaded) == [1, 3]


def test_another_policy_loads_before_it_unloads(manage, tmp_path):
    for number in (1, 2):
        put(tmp_path, number)
    manager = manage(latest=None, versions=(1,))
    manager.wait_until_ready(["m"])
    manager.configure([ModelSettings("m", str(tmp_path))])
    until(lambda: states(manager) == {1: "END", 2: "AVAILABLE"})


def test_a_thousand_swaps_lose_no_user(loader):
    """Users acquire while versions come and go: each gets one that is open."""
    from serving.protos import model_pb2
    from serving.server.core import CallOptions, ServerCore

    class Table:
        servables: dict = {}

        def available(self, name):
            return self.servables

    table = Table()
    table.servables = {0: loader("m", 0, "")}
    core = ServerCore(table, CallOptions())
    failures, stop = [], threading.Event()

    def use():
        while not stop.is_set():
            try:
                with core.use(model_pb2.ModelSpec(name="m")) as servable:
                    servable.run({}, [])
            except Exception as error:
                failures.append(error)

    users = [threading.Thread(target=use) for _ in range(4)]
    for user in users:
        user.start()
    for version in range(1, 1000):
        old = table.servables[version - 1]
        table.servables = {version: loader("m", version, "")}
        old.drain()
        old.close()
    stop.set()
    for user in users:
        user.join()
    assert failures == []
