"""TensorFlow's private names: in one module, tried out at the start; and flags are read before TensorFlow is."""

import subprocess
import sys

import pytest

from tests.test_import_rules import ROOT, imports, sources


def test_one_module_imports_private_names_of_tensorflow():
    found = {
        path.relative_to(ROOT).as_posix()
        for path in sources("serving")
        for _, module in imports(path)
        if module.startswith("tensorflow.python")
    }
    assert found == {"serving/server/session.py"}


def test_the_self_test_passes_with_this_tensorflow():
    from serving.server import session

    session.self_test()


@pytest.mark.parametrize("name", ["_call_tf_sessionrun", "_extend_graph"])
def test_a_tensorflow_without_a_private_name_is_told_with_the_versions_that_are_known(monkeypatch, name):
    import tensorflow as tf

    from serving.server import session

    kind = next(one for one in tf.compat.v1.Session.__mro__ if name in vars(one))
    monkeypatch.delattr(kind, name)
    with pytest.raises(RuntimeError) as caught:
        session.self_test()
    assert f"does not work with TensorFlow {tf.__version__} (tested: " in str(caught.value)
    assert name in str(caught.value)


def test_a_tensorflow_that_answers_otherwise_is_told(monkeypatch):
    import numpy as np

    from serving.server import session

    monkeypatch.setattr(session.ModelSession, "run", lambda *args, **options: [np.float32([4.0])])
    with pytest.raises(RuntimeError, match=r"does not work with TensorFlow .*: gave \[4\.\]"):
        session.self_test()


def test_flags_and_files_are_read_without_tensorflow(tmp_path):
    (tmp_path / "tokens").write_text("anna anna-secret-0123456789\n")
    program = f"""
import sys
from serving.server import app, configuration, program
from serving.server.flags import parse
flags = parse(["--enable_batching", "--ext_max_batch_tokens=9", "--ext_auth_token_file={tmp_path / "tokens"}"]).flags
print(configuration.read(flags).budget.tokens, "tensorflow.python" in sys.modules or "tensorflow" in sys.modules)
"""
    told = subprocess.check_output([sys.executable, "-c", program], cwd=ROOT, text=True, timeout=120)
    assert told.split() == ["9", "False"]
