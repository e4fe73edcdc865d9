"""What all tests share: a quiet TensorFlow, the folder of real data, and Pythons of other environments."""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")  # numbers are compared with the CPU's
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

import hypothesis  # noqa: E402 - TensorFlow reads the variables above when a pytest plugin or a test imports it
import pytest  # noqa: E402

# No deadline: what a case takes says more about the machine than about the code. In CI the same cases every time, so
# that a change is judged by itself; elsewhere fresh ones.
hypothesis.settings.register_profile("house", deadline=None, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.load_profile("house")

ROOT = Path(__file__).resolve().parent.parent
lacking_data = []


@pytest.fixture
def shared_data(request):
    """pathlib.Path of the real data beside the checkout; skips the test where there is none."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        lacking_data.append(request.node.nodeid)
        pytest.skip("needs ../shared/data")
    return folder


@pytest.fixture
def two_cpu_devices():
    """Names of two logical CPU devices, for strategies that need more than one replica."""
    return ["CPU:0", "CPU:1"]


@pytest.fixture
def tfx_python():
    """The Python of `.venv`, for a test on another stack that needs something made by the TFX one."""
    return python_of(".venv", "make setup")


@pytest.fixture
def core_python():
    """The Python of `.venv-core`, for a test that takes something over to a later TensorFlow."""
    return python_of(".venv-core", "make setup STACK=core")


@pytest.fixture
def ovmsclient_python():
    """The Python of an environment that holds `ovmsclient`, a TensorFlow Serving client from elsewhere."""
    return python_of(".venv-ovmsclient", "make ovmsclient")


@pytest.fixture
def min_tfs_client_python():
    """The Python of an environment that holds `min-tfs-client`, another one, with its own copies of the messages."""
    return python_of(".venv-min-tfs-client", "make min-tfs-client")


def python_of(venv, command):
    """Path of the Python in this environment of the checkout; BERT_KERAS_<VENV>_PYTHON names another one."""
    variable = f"BERT_KERAS_{venv.lstrip('.').replace('-', '_').upper()}_PYTHON"
    python = Path(os.environ.get(variable) or ROOT / venv / "bin" / "python")
    if not python.exists():
        pytest.skip(f"needs {venv}: run `{command}`")
    return python


def pytest_collection_finish(session):
    # TensorFlow takes logical devices only before it starts, so before the first test and not in the fixture.
    if any("two_cpu_devices" in getattr(item, "fixturenames", ()) for item in session.items):
        import tensorflow as tf

        cpu = tf.config.list_physical_devices("CPU")[0]
        try:
            tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
        except RuntimeError as error:
            raise pytest.UsageError(
                "a test module makes tensors when it is imported (in parametrize, say); make them inside the test"
            ) from error


def pytest_terminal_summary(terminalreporter):
    if lacking_data:
        terminalreporter.write_line(f"{len(lacking_data)} tests skipped for lack of ../shared/data:")
        for name in lacking_data:
            terminalreporter.write_line(f"  {name}")
