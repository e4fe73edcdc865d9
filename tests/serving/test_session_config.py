"""ConfigProto of the sessions: from its file, from flags, and by what it changes."""

from pathlib import Path

import numpy as np
import pytest

from serving.server import configuration
from serving.server.flags import Flags
from serving.server.text_files import NotParsed


@pytest.fixture
def session_of(tmp_path):
    def read(text="", **flags):
        if text:
            (tmp_path / "session.config").write_text(text)
            flags["tensorflow_session_config_file"] = str(tmp_path / "session.config")
        return configuration.read(Flags(**flags)).session

    return read


def threads(config):
    return config.intra_op_parallelism_threads, config.inter_op_parallelism_threads


def test_flags_say_how_many_threads(session_of):
    assert threads(session_of()) == (0, 0)
    assert threads(session_of(tensorflow_session_parallelism=3)) == (3, 3)
    assert threads(session_of(tensorflow_intra_op_parallelism=2, tensorflow_session_parallelism=3)) == (2, 0)


def test_the_file_says_the_rest_and_flags_go_before_it(session_of):
    text = "intra_op_parallelism_threads: 5 inter_op_parallelism_threads: 6 use_per_session_threads: true"
    config = session_of(text, tensorflow_inter_op_parallelism=1, per_process_gpu_memory_fraction=0.5)
    assert (threads(config), config.use_per_session_threads) == ((5, 1), True)
    assert config.gpu_options.per_process_gpu_memory_fraction == 0.5


def test_mixed_precision_is_a_rewrite_of_the_graph(session_of):
    rewrites = session_of(mixed_precision="bfloat16").graph_options.rewrite_options
    assert rewrites.auto_mixed_precision_onednn_bfloat16 == type(rewrites).ON


@pytest.mark.skipif(
    "avx512_bf16" not in Path("/proc/cpuinfo").read_text(), reason="needs a processor that multiplies in bfloat16"
)
def test_mixed_precision_computes_products_in_bfloat16(session_of, tmp_path):
    import tensorflow as tf

    from serving.server.session import ModelSession

    product = tf.function(lambda x: {"y": tf.linalg.matmul(x, tf.ones([64, 64]))})
    module = tf.Module()
    module.serve = product.get_concrete_function(tf.TensorSpec([None, 64], tf.float32, name="x"))
    tf.saved_model.save(module, str(tmp_path / "1"), signatures=module.serve)
    x = np.full((1, 64), 1.001, np.float32)  # 1 in bfloat16
    answers = []
    for mode in ("", "bfloat16"):
        model = ModelSession.load(str(tmp_path / "1"), config=session_of(mixed_precision=mode))
        signature = model.signatures["serving_default"]
        (y,) = model.run({signature.inputs["x"].name: x}, [signature.outputs["y"].name])
        answers.append(float(y[0, 0]))
    assert answers == [pytest.approx(64.064, abs=1e-4), 64.0]


def test_a_file_that_does_not_parse_is_told_with_its_place(session_of):
    with pytest.raises(NotParsed, match="Error parsing text-format tensorflow.ConfigProto: 1:1"):
        session_of("threads: 3")


def test_a_server_starts_with_it(start_server, settings_of, put_version, tmp_path):
    (tmp_path / "session.config").write_text("intra_op_parallelism_threads: 1")
    put_version(tmp_path, 1)
    server, endpoint = start_server(
        settings_of("m", tmp_path),
        tensorflow_session_config_file=str(tmp_path / "session.config"),
        mixed_precision="bfloat16",
    )
    session = server.manager.available("m")[1]._session._session
    assert session._config.intra_op_parallelism_threads == 1
    assert endpoint.http("/v1/models/m:predict", {"instances": [1.0]}) == (200, '{\n    "predictions": [2.0\n    ]\n}')
