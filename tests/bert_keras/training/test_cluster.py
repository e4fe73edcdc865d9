"""`TF_CONFIG`: what it says, and one clear sentence for whatever is wrong with it."""

import json

import pytest

from bert_keras.errors import BadInput
from bert_keras.training.cluster import Cluster

WORKERS = ["10.0.0.1:2222", "10.0.0.2:2223"]


@pytest.fixture
def configure(monkeypatch):
    """`configure(cluster, task)`: the cluster that the variable describes."""

    def run(cluster=None, task=None, text=None):
        if text is None:
            content = {
                "cluster": {"worker": WORKERS} if cluster is None else cluster,
                "task": {"type": "worker", "index": 1} if task is None else task,
            }
            text = json.dumps(content)
        monkeypatch.setenv("TF_CONFIG", text)
        return Cluster.from_environment()

    return run


def test_the_first_worker_is_the_chief(configure):
    cluster = configure(task={"type": "worker", "index": 0})
    assert cluster.is_chief and cluster.count == 2 and cluster.addresses == tuple(WORKERS)


def test_a_task_of_the_type_chief_comes_before_the_workers(configure):
    cluster = configure({"worker": WORKERS, "chief": ["10.0.0.9:1"]}, {"type": "worker", "index": 1})
    assert cluster.addresses == ("10.0.0.9:1", *WORKERS) and cluster.number == 2 and not cluster.is_chief
    assert cluster.tasks == (("chief", 0), ("worker", 0), ("worker", 1))


def test_a_worker_is_named_with_its_address(configure):
    assert configure().names([0, 1]) == "worker 0 (10.0.0.1:2222), worker 1 (10.0.0.2:2223)"


def test_an_address_of_ipv6_is_taken_apart(configure):
    assert configure({"worker": ["[::1]:7", "b:8"]}).host_and_port(0) == ("::1", 7)


def test_without_the_variable_the_message_shows_one(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(BadInput, match=r'TF_CONFIG is not set; expected .*"worker": \["10'):
        Cluster.from_environment()


@pytest.mark.parametrize(
    "content, said",
    [
        ({"text": "{worker"}, "is not JSON"),
        ({"text": "[1]"}, "is no JSON object"),
        ({"text": "{}"}, 'has no "cluster"'),
        ({"cluster": {"ps": ["a:1"], "worker": WORKERS}}, "has tasks of the type 'ps'"),
        ({"cluster": {"worker": "a:1"}}, "has no list of addresses for 'worker'"),
        ({"cluster": {"worker": []}}, "has no list of addresses for 'worker'"),
        ({"cluster": {"chief": ["a:1", "b:1"]}}, "has several chiefs"),
        ({"cluster": {"worker": ["a:1", "a:1"]}}, "has the address 'a:1' twice"),
        ({"cluster": {"worker": ["a:1", "b"]}}, "has 'b' for an address, where host:port is due"),
        ({"cluster": {"worker": ["a:1", "b:"]}}, "has 'b:' for an address"),
        ({"cluster": {"worker": ["a:1", "b:70000"]}}, "has 'b:70000' for an address"),
        ({"cluster": {"worker": ["a:1", 7]}}, "has 7 for an address"),
        ({"task": {"type": "worker"}}, 'has no "task" with type and index'),
        ({"task": {"type": "evaluator", "index": 0}}, "names a task of the type 'evaluator'"),
        ({"task": {"type": "worker", "index": 2}}, "names the task worker 2, where the index is 0 to 1"),
        ({"task": {"type": "worker", "index": -1}}, "names the task worker -1"),
        ({"task": {"type": "worker", "index": "0"}}, "names the task worker '0'"),
    ],
)
def test_what_is_wrong_is_said(configure, content, said):
    with pytest.raises(BadInput) as raised:
        configure(**content)
    assert said in str(raised.value) and "expected something like" in str(raised.value)


def test_a_batch_that_the_workers_cannot_share_is_refused(configure):
    configure().check_batch_size(8)
    with pytest.raises(BadInput, match="batch_size is 9, and 2 workers share each batch; expected a multiple of 2"):
        configure().check_batch_size(9)
    with pytest.raises(BadInput, match="batch_size is 10, and 4 replicas share .* a multiple of 4, such as 8"):
        configure().check_batch_size(10, replicas=4)
