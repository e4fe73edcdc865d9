"""Replays the requests in `assets.extra/tf_serving_warmup_requests` before a version serves."""

from pathlib import Path

from google.protobuf.message import DecodeError

from serving.protos import prediction_log_pb2
from serving.server import inference, predict
from serving.server.servable import Servable
from serving.server.session import read_records
from serving.server.status import Code, ServingError, invalid

FILE = Path("assets.extra", "tf_serving_warmup_requests")
MAX_RECORDS = 1000


def warm_up(servable: Servable, export_dir: str, options, iterations: int = 1) -> int:
    """Runs every record, whatever model it names; returns how many there were. Raises ServingError: the load fails."""
    path = Path(export_dir) / FILE
    if not path.exists():
        return 0
    count = 0
    try:
        for record in read_records(str(path)):
            try:
                log = prediction_log_pb2.PredictionLog.FromString(record)
            except DecodeError:
                text = record.decode(errors="replace")
                raise invalid(f"Failed to parse warmup record: {text} from {path}") from None
            for _ in range(iterations):
                _replay(servable, log, options)
            count += 1
            if count > MAX_RECORDS:
                raise invalid(f"Number of warmup records exceeds the maximum ({MAX_RECORDS}) at {path}")
    except ServingError as error:
        if error.code == Code.DATA_LOSS:
            text = f"{error.message}. Please verify your warmup data is in TFRecord format."
            raise ServingError(Code.DATA_LOSS, text) from None
        raise
    return count


def _replay(servable: Servable, log, options) -> None:
    kind = log.WhichOneof("log_type")
    if kind == "predict_log":
        predict.predict(servable, log.predict_log.request, options)
    elif kind == "classify_log":
        inference.classify(servable, log.classify_log.request, options)
    elif kind == "regress_log":
        inference.regress(servable, log.regress_log.request, options)
    elif kind == "multi_inference_log":
        inference.check_tasks(log.multi_inference_log.request)
        inference.multi_inference(servable, log.multi_inference_log.request, options)
    else:
        raise ServingError(Code.UNIMPLEMENTED, f"Unsupported log_type for warmup: {kind}")
