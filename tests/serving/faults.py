"""What a server meets in production, in any size; the tests run it small, this program runs it large.

    .venv/bin/python -m tests.serving.faults swaps --count 200
    .venv/bin/python -m tests.serving.faults --help

Each function takes a running server (or makes its own), raises AssertionError where a request is lost or answered
wrongly, and returns figures.
"""

import argparse
import collections
import contextlib
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import grpc
import numpy as np

from serving.ports import free_ports
from serving.protos import predict_pb2
from tests.serving import large
from tests.serving.asking import PREDICT, Load
from tests.serving.endpoint import predict_request
from tests.serving.process import Process
from tests.serving.until import until

_OK = "OK"


def swaps(server, base, saved_versions, count):
    """Replaces the served version `count` times while four callers ask; each answer must be its version's own.

    Args:
        server: an endpoint that serves `base` as model `m`, of which version 1 is there.
        base: Path. The model's base path.
        saved_versions: Path. Folders 1 and 2, SavedModels that add their number.
    """
    with Load(server) as load:
        for version in range(2, count + 2):
            put(saved_versions / str(1 + version % 2), base, version)
            until(lambda version=version: load.failures or (load.answers and load.answers[-1][0] == version))
            shutil.rmtree(base / str(version - 1))
    assert load.failures == [], load.failures[:3]
    wrong = [(version, value) for version, value in load.answers if value != 11.0 + (version > 1) * (version % 2)]
    assert not wrong, wrong[:3]
    return {"swaps": count, "answers": len(load.answers), "failed": 0, "of a wrong version": 0}


def put(saved, base, version):
    """A whole version appears at once, as a rename makes it."""
    shutil.copytree(saved, base / f"coming-{version}")
    (base / f"coming-{version}").rename(base / str(version))


def sigterm(server, requests):
    """SIGTERM with `requests` requests on their way: each is answered, or refused with UNAVAILABLE.

    Args:
        server: `Process` that serves the zoo as model `zoo`. It ends.
    """
    asked = predict_request("zoo", "slow", {"seconds": np.float32([0.01])}).SerializeToString()
    channels = [grpc.insecure_channel(server.endpoint.grpc, [("grpc.use_local_subchannel_pool", 1)]) for _ in range(8)]
    calls = [channel.unary_unary(PREDICT) for channel in channels]
    try:
        calls[0](asked, timeout=60)
        futures = [calls[number % 8].future(asked, timeout=120) for number in range(requests)]
        until(lambda: sum(future.done() for future in futures) >= requests // 20)
        before = sum(future.done() for future in futures)
        server.process.send_signal(signal.SIGTERM)
        counted = collections.Counter(_code(future) for future in futures)
    finally:
        for channel in channels:
            channel.close()
    exit_code = server.process.wait(timeout=60)
    assert set(counted) <= {_OK, "UNAVAILABLE"}, counted
    assert exit_code == 0, exit_code
    return {"requests": requests, "answered before SIGTERM": before, **counted, "exit code": exit_code}


def _code(future):
    try:
        response = predict_pb2.PredictResponse.FromString(future.result())
    except grpc.RpcError as error:
        return error.code().name
    return _OK if response.outputs["y"].float_val[0] == np.float32(0.01) else "WRONG"


def sigkill(start, arguments):
    """SIGKILL, then the same program again at the same ports: a caller that asks on is answered again.

    Args:
        start: function that starts a `Process`.
        arguments: its flags; it must serve the zoo as model `zoo`.
    """
    ports = free_ports(2)
    first = start(*arguments, ports=ports)
    first.wait_for_port()
    with grpc.insecure_channel(first.endpoint.grpc) as channel:
        call = channel.unary_unary(PREDICT)
        asked = predict_request("zoo", inputs={"x": np.float32([1.0])}).SerializeToString()
        call(asked, timeout=20)
        first.process.kill()
        first.process.wait()
        killed = time.monotonic()
        try:
            call(asked, timeout=5)
            raise AssertionError("a killed server answered")
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.UNAVAILABLE, error
        second = start(*arguments, ports=ports)
        second.wait_for_port()
        response = predict_pb2.PredictResponse.FromString(call(asked, timeout=60, wait_for_ready=True))
        assert response.outputs["y"].float_val[0] == 2.5
    return {"seconds from SIGKILL to the next answer": round(time.monotonic() - killed, 1)}


def connections(server, count):
    """`count` connections to each port, half of them silent, half with a beginning that never ends.

    While they are open, and after they are closed, gRPC and REST answer.
    """
    opened, refused, before = [], 0, server.resident_mb()
    with contextlib.ExitStack() as stack:
        for number in range(count):
            for port in (server.port, server.rest_port):
                try:
                    one = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
                except OSError:
                    refused += 1
                    continue
                opened.append(one)
                with contextlib.suppress(OSError):  # closed by the server already
                    if number % 2:
                        one.sendall(b"POST /v1/models/zoo:predict HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
        answered_meanwhile(server)
        memory = server.resident_mb()
    answered_meanwhile(server)
    return {
        "connections": 2 * count,
        "refused": refused,
        "memory before (MB)": round(before),
        "with them": round(memory),
    }


def answered_meanwhile(server):
    """Both ports answer rightly."""
    response = server.endpoint.call(
        "PredictionService/Predict", predict_request("zoo", inputs={"x": np.float32([1.0])})
    )
    assert list(response.outputs["y"].float_val) == [2.5]
    status, text = server.endpoint.http("/v1/models/zoo:predict", {"instances": [1.0]})
    assert (status, json.loads(text)) == (200, {"predictions": [2.5]}), (status, text)


def short_deadlines(server, count):
    """Requests that take ten times as long as their deadline; then one with time enough."""
    asked = predict_request("zoo", "slow", {"seconds": np.float32([0.01])}).SerializeToString()
    with grpc.insecure_channel(server.endpoint.grpc) as channel:
        call = channel.unary_unary(PREDICT)
        call(asked, timeout=20)
        futures = [call.future(asked, timeout=0.001) for _ in range(count)]
        counted = collections.Counter(_code(future) for future in futures)
    assert set(counted) == {"DEADLINE_EXCEEDED"}, counted
    answered_meanwhile(server)
    return {"deadlines of 1 ms": count, **counted}


def broken_off(server, count):
    """Callers that go away while they are answered: nothing is left behind, and others are answered."""
    asked = predict_request("zoo", "slow", {"seconds": np.float32([0.05])}).SerializeToString()
    body = json.dumps({"signature_name": "slow", "instances": [0.05]}).encode()
    head = f"POST /v1/models/zoo:predict HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    for _ in range(count):
        with grpc.insecure_channel(server.endpoint.grpc, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            channel.unary_unary(PREDICT).future(asked, timeout=20)
            time.sleep(0.005)
        with socket.create_connection(("127.0.0.1", server.rest_port)) as one:
            one.sendall(head + body)
    answered_meanwhile(server)
    return {"callers gone": 2 * count}


def soak(server, seconds, callers=8):
    """Callers on both transports for a while: no error, and memory that stays.

    Memory after a tenth of the time is compared with memory at the end.
    """
    stop, answered, failures = threading.Event(), collections.Counter(), []
    asked = predict_request("zoo", "sentiment", {"text": np.array([b"good", b"so bad"], object)}).SerializeToString()
    body = {"signature_name": "sentiment", "instances": ["good", "so bad"]}

    def ask_grpc():
        with grpc.insecure_channel(server.endpoint.grpc, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            call = channel.unary_unary(PREDICT)
            while not stop.is_set():
                try:
                    call(asked, timeout=30)
                    answered["grpc"] += 1
                except grpc.RpcError as error:
                    failures.append((error.code().name, error.details()))

    def ask_rest():
        while not stop.is_set():
            status, text = server.endpoint.http("/v1/models/zoo:predict", body)
            answered["rest"] += 1
            if status != 200:
                failures.append((status, text))

    threads = [threading.Thread(target=ask_rest if number % 4 == 3 else ask_grpc) for number in range(callers)]
    for thread in threads:
        thread.start()
    memory = []
    start = time.monotonic()
    while (passed := time.monotonic() - start) < seconds:
        memory.append((passed, server.resident_mb()))
        time.sleep(min(seconds / 20, 5))
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == [], failures[:3]
    warm = next(mb for passed, mb in memory if passed >= seconds / 10)
    last = server.resident_mb()
    assert last < 1.1 * warm + 20, memory
    return {"seconds": seconds, **answered, "failed": 0, "memory warm (MB)": round(warm), "at the end": round(last)}


# === As a program ===


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "what", choices=("swaps", "sigterm", "sigkill", "connections", "deadlines", "gone", "large", "soak", "all")
    )
    parser.add_argument("--count", type=int, help="how many; default: what the word below says")
    parser.add_argument("--seconds", type=float, default=600, help="for soak")
    parser.add_argument("--only", nargs="*", help="for large: names of bodies")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        folder = Path(folder)
        for what, name in (("zoo", "zoo/1"), ("version", "versions/1"), ("version", "versions/2")):
            numbers = name[-1:] if what == "version" else ""
            make = [sys.executable, "-m", "serving.conformance.zoo", what, str(folder / name), *numbers]
            subprocess.run(make, check=True, capture_output=True)

        def start(*arguments, ports=None):
            server = Process(*arguments, ports=ports, log=folder / "log")
            stack.callback(server.stop)
            return server

        for what in _SCENARIOS if options.what == "all" else (options.what,):
            try:
                figures = _SCENARIOS[what](start, folder, options)
            except AssertionError as error:
                sys.exit(f"{what}: {error}")
            print(f"{what}: {', '.join(f'{name} {value}' for name, value in figures.items())}", flush=True)


def _zoo(start, folder):
    server = start("--model_name=zoo", f"--model_base_path={folder / 'zoo'}")
    server.wait_for_port()
    return server


def _swaps(start, folder, options):
    base = folder / "base"
    base.mkdir()
    put(folder / "versions" / "1", base, 1)
    server = start("--model_name=m", f"--model_base_path={base}")
    server.wait_for_port()
    return swaps(server.endpoint, base, folder / "versions", options.count or 200)


def _large(start, folder, options):
    server = _zoo(start, folder)
    measured = []
    for one in large.ask_all(server, options.count or 100, options.only):
        measured.append(one)
        print(one, flush=True)
    answered_meanwhile(server)
    beyond = [one.name for one in measured if not one.as_expected]
    assert not beyond, f"answered with another status, or beyond the bound of memory: {beyond}"
    return {"answered": len(measured), "beyond the bound": 0}


_SCENARIOS = {
    "swaps": _swaps,
    "sigterm": lambda start, folder, options: sigterm(_zoo(start, folder), options.count or 1000),
    "sigkill": lambda start, folder, _: sigkill(start, ("--model_name=zoo", f"--model_base_path={folder / 'zoo'}")),
    "connections": lambda start, folder, options: connections(_zoo(start, folder), (options.count or 10_000) // 2),
    "deadlines": lambda start, folder, options: short_deadlines(_zoo(start, folder), options.count or 1000),
    "gone": lambda start, folder, options: broken_off(_zoo(start, folder), options.count or 200),
    "large": _large,
    "soak": lambda start, folder, options: soak(_zoo(start, folder), options.seconds),
}

if __name__ == "__main__":
    main()
