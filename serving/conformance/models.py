"""The folder of models that the suite's servers serve. Runs TensorFlow: the suite itself starts it as a program.

python -m serving.conformance.models FOLDER
"""

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

# What every server without flags of its own serves: a model each, below the folder.
PLAIN = ("zoo", "old", "ops")
PLAIN_FLAGS = ("--max_num_load_retries=0",)
CONFIG = "models.config"

WARM_UP = Path("assets.extra", "tf_serving_warmup_requests")
BATCHING = "batching_params.pbtxt"

# Models that are batched, by name, and their parameters. What waits, waits until a batch is full.
_FULL = "batch_timeout_micros { value: 600000000 }"
BATCHED = {
    "batched": f"max_batch_size {{ value: 4 }} {_FULL} max_enqueued_batches {{ value: 1 }}",
    "allowed": "max_batch_size { value: 4 } allowed_batch_sizes: 2 allowed_batch_sizes: 4",
    "padding": f"max_batch_size {{ value: 2 }} {_FULL} pad_variable_length_inputs: true",
    "usual": "",
    "waiting": "max_batch_size { value: 2 } batch_timeout_micros { value: 2000000 }",
}
_WARM_UPS = ("failing", "no_records", "other_log", "other_name", "too_many", "unparsable")
FOLDERS = (
    *PLAIN,
    *BATCHED,
    *("a_warm", "broken", "half", "many", "mismatched", "named", "other", "tagged", "warm"),
    *(f"warm_{name}" for name in _WARM_UPS),
)


def config_text(folder: str, names: tuple[str, ...]) -> str:
    """A ModelServerConfig that lists the models `names` of the folder."""
    models = (f'  config {{ name: "{n}" base_path: "{folder}/{n}" model_platform: "tensorflow" }}\n' for n in names)
    return "model_config_list {\n" + "".join(models) + "}\n"


def write(folder: Path) -> None:
    """Writes all models and the configuration that serves them. The folder appears whole, and must not be there."""
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is there and not empty")
    folder.parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        _write(making)
        (making / CONFIG).write_text(config_text(str(folder), PLAIN))
        making.chmod(0o755)  # for a server that runs as another user; temporary folders are their maker's alone
        making.rename(folder)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise


def _write(folder: Path) -> None:
    from serving.conformance import graphs, zoo

    zoo.save_zoo(str(folder / "zoo" / "1"))
    graphs.save_tf1(str(folder / "old" / "1"))
    graphs.save_ops(str(folder / "ops" / "1"), 1)
    for number in (1, 2, 3):
        graphs.save_ops(str(folder / "many" / str(number)), number)
    shutil.copytree(folder / "many" / "2", folder / "other" / "5")
    for name in ("00000123", "latest", "1.5", "v7"):
        shutil.copytree(folder / "many" / "3", folder / "named" / name)
    graphs.save_ops(str(folder / "tagged" / "1"), 1, more_tags=("special",))
    for name in ("broken", "half"):
        (folder / name / "1").mkdir(parents=True)
    (folder / "broken" / "1" / "saved_model.pb").write_bytes(b"not a model")
    shutil.copytree(folder / "ops" / "1" / "variables", folder / "half" / "1" / "variables")
    for name, parameters in {**BATCHED, "mismatched": "max_batch_size { value: 8 } allowed_batch_sizes: 4"}.items():
        shutil.copytree(folder / "ops" / "1", folder / name / "1")
        (folder / name / "1" / BATCHING).write_text(parameters)
    _write_warm_ups(folder)


# === Warm-up ===


def _write_warm_ups(folder: Path) -> None:
    import tensorflow as tf

    from serving.protos import prediction_log_pb2

    other_log = prediction_log_pb2.PredictionLog()
    other_log.session_run_log.SetInParent()
    records = {
        "warm": _all_calls("warm"),
        "a_warm": _all_calls("a_warm"),  # first of all by its name: see the case 1.4/reload:metrics
        "warm_other_name": [_predict_log("another_model")],
        "warm_failing": [_predict_log("warm_failing", "z")],
        "warm_unparsable": [b"\xff\xff"],
        "warm_too_many": [_predict_log("warm_too_many")] * 1001,
        "warm_other_log": [other_log],
    }
    for name, logs in records.items():
        path = _with_warm_up(folder, name)
        with tf.io.TFRecordWriter(str(path)) as writer:
            for log in logs:
                writer.write(log if isinstance(log, bytes) else log.SerializeToString())
    _with_warm_up(folder, "warm_no_records").write_bytes(b"no records at all")
    # For a server that is told not to warm up.
    shutil.copytree(folder / "warm_failing" / "1" / WARM_UP.parent, folder / "tagged" / "1" / WARM_UP.parent)


def _with_warm_up(folder: Path, name: str) -> Path:
    shutil.copytree(folder / "ops" / "1", folder / name / "1")
    path = folder / name / "1" / WARM_UP
    path.parent.mkdir()
    return path


def _predict_log(model: str, alias: str = "x"):
    from serving.conformance.wire import predict_request
    from serving.protos import prediction_log_pb2

    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.CopyFrom(predict_request(model, inputs={alias: np.float32([1.0])}))
    return log


def _all_calls(model: str) -> list:
    """A record for each of the four calls."""
    from serving.conformance.wire import fill_spec
    from serving.protos import prediction_log_pb2

    logs = [_predict_log(model)] + [prediction_log_pb2.PredictionLog() for _ in range(3)]
    for log, kind in zip(logs[1:3], ("classify", "regress")):
        request = getattr(log, f"{kind}_log").request
        fill_spec(request.model_spec, model, kind)
        request.input.example_list.examples.add()
    request = logs[3].multi_inference_log.request
    fill_spec(request.tasks.add(method_name="tensorflow/serving/regress").model_spec, model, "regress")
    request.input.example_list.examples.add()
    return logs


if __name__ == "__main__":
    write(Path(sys.argv[1]).resolve())
