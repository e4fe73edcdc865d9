"""Replays the requests in `assets.extra/tf_serving_warmup_requests` before a version serves."""

import logging
import time
from pathlib import Path

from google.protobuf.message import DecodeError

from serving.protos import prediction_log_pb2
from serving.server import inference, predict
from serving.server.servable import Servable
from serving.server.session import read_records
from serving.server.status import Code, ServingError, invalid

log = logging.getLogger(__name__)

FILE = Path("assets.extra", "tf_serving_warmup_requests")
MAX_RECORDS = 1000


def warm_up(servable: Servable, export_dir: str, options, iterations: int = 1) -> int:
    """Runs every record, whatever model it names; returns how many there were. Raises ServingError: the load fails.

    Args:
        export_dir: the version's folder, which holds the records.
        options: `core.CallOptions`.
        iterations: how often each record is run.
    """
    path = Path(export_dir) / FILE
    if not path.exists():
        log.info("no warm-up records at %s", path)
        return 0
    started = time.perf_counter()
    count = 0
    status = "OK"
    try:
        for record in _records(path):
            for _ in range(iterations):
                _replay(servable, record, options)
            count += 1
            if count > MAX_RECORDS:
                raise invalid(f"Number of warmup records exceeds the maximum ({MAX_RECORDS}) at {path}")
    except ServingError as error:
        status = error.code.name
        raise
    finally:
        took = (time.perf_counter() - started) * 1e6
        servable.metrics.model_warmup_latency.observe(took, str(export_dir), status)
    log.info("warmed up {name: %s version: %s}: %d records", servable.name, servable.version, count)
    return count


def _records(path: Path):
    try:
        for record in read_records(str(path)):
            try:
                yield prediction_log_pb2.PredictionLog.FromString(record)
            except DecodeError:
                text = record.decode(errors="replace")
                raise invalid(f"Failed to parse warmup record: {text} from {path}") from None
    except ServingError as error:
        if error.code != Code.DATA_LOSS:
            raise
        text = f"{error.message}. Please verify your warmup data is in TFRecord format."
        raise ServingError(Code.DATA_LOSS, text) from None


def _replay(servable: Servable, record, options) -> None:
    kind = record.WhichOneof("log_type")
    if kind == "predict_log":
        predict.predict(servable, record.predict_log.request, options)
    elif kind == "classify_log":
        inference.classify(servable, record.classify_log.request, options)
    elif kind == "regress_log":
        inference.regress(servable, record.regress_log.request, options)
    elif kind == "multi_inference_log":
        inference.multi_inference(servable, record.multi_inference_log.request, options)
    elif kind is not None:
        number = record.DESCRIPTOR.fields_by_name[kind].number  # what the C++ enum of the oneof prints
        raise ServingError(Code.UNIMPLEMENTED, f"Unsupported log_type for warmup: {number}")
