"""What the server does, without a transport: gRPC, REST and warm-up all come here, so codes and texts cannot differ."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from serving.protos import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_pb2,
    predict_pb2,
    regression_pb2,
)
from serving.server import config, inference, predict
from serving.server.config import ModelSettings
from serving.server.manager import ModelManager
from serving.server.metrics import Metrics
from serving.server.servable import Servable
from serving.server.states import State
from serving.server.status import ServingError, failed_precondition, invalid, not_found


@dataclass(frozen=True)
class CallOptions:
    """What the flags say about every call."""

    tensor_content: bool = False
    check_method_name: bool = False


class ServerCore:
    """All calls of the API. Each takes a request message, gives a response message, or raises ServingError.

    Args:
        manager: where the loaded versions are.
        options: what holds for every call.
        labels_ahead: a label that is not in use yet may name a version that is not loaded.
        metrics: where calls are counted.
    """

    def __init__(
        self,
        manager: ModelManager,
        options: CallOptions,
        labels_ahead: bool = False,
        metrics: Metrics | None = None,
    ):
        self.manager = manager
        self.metrics = metrics or Metrics()
        self._options = options
        self._labels_ahead = labels_ahead
        self._labels: dict[str, dict[str, int]] = {}
        self._models: list[ModelSettings] = []
        self._reloading = threading.Lock()

    # === Models ===

    @property
    def models(self) -> list[ModelSettings]:
        """What the configuration that holds asks for."""
        return self._models

    @property
    def labels(self) -> dict[str, dict[str, int]]:
        """The version behind each label, by model."""
        return self._labels

    def reload(
        self,
        models: list[ModelSettings],
        what: str = "model(s)",
        interrupted: Callable[[], bool] = lambda: False,
    ) -> None:
        """Serves these models and no others; returns when every one that was not served before answers.

        Labels are looked at first: they name versions that answer already, at the start none.
        """
        with self._reloading:
            platforms = {model.name: model.platform for model in self._models}
            for model in models:
                before = platforms.get(model.name, model.platform)
                if before != model.platform:
                    raise invalid(
                        f"Illegal to change a model's platform. For model {model.name} platform was {before} "
                        f"and new platform requested is {model.platform}"
                    )
            config.check_platforms(models)
            self._set_labels(models)
            added = self.manager.configure(models)
            self._models = models
            self.manager.wait_until_ready(added, what, interrupted)

    @contextmanager
    def use(self, spec) -> Iterator[Servable]:
        """The servable that a ModelSpec names, kept loaded inside the block."""
        servable = self._acquire(spec)
        try:
            yield servable
        finally:
            servable.release()

    def _acquire(self, spec) -> Servable:
        if not spec.name:
            raise invalid("ModelSpec has no name specified.")
        choice = spec.WhichOneof("version_choice")
        version = None
        if choice == "version":
            version = spec.version.value
        elif choice == "version_label":
            version = self._labels.get(spec.name, {}).get(spec.version_label)
            if version is None:
                raise invalid(f"Unrecognized servable version label: {spec.version_label}")
        while True:
            available = self.manager.available(spec.name)
            servable = available.get(version) if version is not None else available.get(max(available, default=-1))
            if servable is None:
                asked = f"Latest({spec.name})" if version is None else f"Specific({spec.name}, {version})"
                raise not_found(f"Servable not found for request: {asked}")
            if servable.acquire():
                return servable
            # It began to drain since the table was read: the table read next holds its successor, or nothing.

    def _set_labels(self, models: list[ModelSettings]) -> None:
        for model in models:
            in_use = self._labels.get(model.name, {})
            for label, version in model.labels.items():
                ahead = self._labels_ahead and in_use.get(label, version) == version
                if version not in self.manager.available(model.name) and not ahead:
                    raise failed_precondition(
                        f"Request to assign label to version {version} of model {model.name}, which is not currently "
                        "available for inference"
                    )
        self._labels = {model.name: dict(model.labels) for model in models}

    def count(self, model: str, api: str, entrypoint: str, started: float, failure: ServingError | None) -> None:
        """Counts a call that began at `started` (`time.perf_counter`) and is done; latencies of answers only."""
        if failure is None:
            took = (time.perf_counter() - started) * 1e6
            self.metrics.request_latency.observe(took, model, api, entrypoint)
        self.metrics.request_count.add(model, failure.code.name if failure else "OK")

    # === PredictionService ===

    def predict(self, request, timeout_ms: int | None = None) -> predict_pb2.PredictResponse:
        with self.use(_spec(request)) as servable:
            return predict.predict(servable, request, self._options, timeout_ms)

    def classify(self, request, timeout_ms: int | None = None) -> classification_pb2.ClassificationResponse:
        with self.use(_spec(request)) as servable:
            return inference.classify(servable, request, self._options, timeout_ms)

    def regress(self, request, timeout_ms: int | None = None) -> regression_pb2.RegressionResponse:
        with self.use(_spec(request)) as servable:
            return inference.regress(servable, request, self._options, timeout_ms)

    def multi_inference(self, request, timeout_ms: int | None = None) -> inference_pb2.MultiInferenceResponse:
        spec = request.tasks[0].model_spec if request.tasks else model_pb2.ModelSpec()
        with self.use(spec) as servable:
            return inference.multi_inference(servable, request, self._options, timeout_ms)

    def get_model_metadata(self, request, timeout_ms: int | None = None):
        spec = _spec(request)
        if not request.metadata_field:
            raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
        for field in request.metadata_field:
            if field != "signature_def":
                raise invalid(f"Metadata field {field} is not supported")
        with self.use(spec) as servable:
            signatures = get_model_metadata_pb2.SignatureDefMap()
            for name, signature in servable.signatures.items():
                signatures.signature_def[name].CopyFrom(signature)
            response = get_model_metadata_pb2.GetModelMetadataResponse()
            response.model_spec.name = servable.name
            response.model_spec.version.value = servable.version
            response.metadata["signature_def"].Pack(signatures)
            return response

    def signature_inputs(self, spec, signature_name: str) -> dict:
        """TensorInfo by input name, which REST needs to read JSON; a missing signature has REST's own code and text."""
        with self.use(spec) as servable:
            name = signature_name or predict.DEFAULT_SIGNATURE
            if name not in servable.signatures:
                raise invalid(f'Serving signature name: "{name}" not found in signature def')
            return dict(servable.signatures[name].inputs)

    # === ModelService ===

    def get_model_status(self, request, timeout_ms: int | None = None) -> get_model_status_pb2.GetModelStatusResponse:
        spec = _spec(request)
        records = self.manager.records(spec.name)
        if spec.WhichOneof("version_choice") == "version":
            version = spec.version.value
            records = [record for record in records if record.version == version]
            if not records:
                raise not_found(f"Could not find version {version} of model {spec.name}")
        if not records:
            raise not_found(f"Could not find any versions of model {spec.name}")
        response = get_model_status_pb2.GetModelStatusResponse()
        for record in records:
            status = response.model_version_status.add(version=record.version, state=int(record.state))
            _fill(status.status, record.error if record.state == State.END else None)
        return response

    def handle_reload_config_request(self, request, timeout_ms: int | None = None):
        if request.config.WhichOneof("config") != "model_config_list":
            raise invalid(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently "
                "supported"
            )
        before = {name: self.metrics.value(name) for name in request.metric_names}
        self.reload(config.from_proto(request.config))
        response = model_management_pb2.ReloadConfigResponse()
        _fill(response.status, None)
        for name, value in before.items():
            response.metric.add(name=name, int64_value_increase=self.metrics.value(name) - value)
        return response


def _spec(request):
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    return request.model_spec


def _fill(status, error: ServingError | None) -> None:
    status.error_code = int(error.code) if error else 0
    status.error_message = error.message if error else ""
