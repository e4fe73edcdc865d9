"""InfraValidator: whether a model server loads the exported model and answers examples, before it is pushed.

TFX's own starts TensorFlow Serving in a container of Docker or in Kubernetes. Here the server is a process of this
machine, the one that `bert-keras serve` starts: tensorflow_model_server where it is installed, else the embedded one.
All else is TFX's: its client polls GetModelStatus and sends the requests, its Pusher reads the blessing.
"""

import os
import shutil
import tempfile
import threading
import time
from pathlib import Path
from unittest import mock

import grpc
from absl import logging
from tfx import v1 as tfx
from tfx.components.infra_validator import error_types, executor, serving_bins
from tfx.components.infra_validator.component import InfraValidator
from tfx.components.infra_validator.model_server_runners.base_runner import BaseModelServerRunner
from tfx.dsl.components.base import executor_spec

from bert_keras.errors import WorkFailed
from pipelines.config import InfraValidationConfig
from pipelines.evaluation import EXAMPLES_SIGNATURE
from pipelines.model_server import ModelServer

MODEL_NAME = "infra-validation-model"
# Custom property of the blessing: why it is none.
WHY_NOT = "why_not"
# TFX names servers by the tag of a container image, and blesses a model for which it finds none.
_GENUINE, _EMBEDDED = "installed", "embedded"
_POLL_SECONDS = 0.2
# A model that does not load is not tried again and again, for minutes; the process must not take the trainer's GPU.
_FLAGS, _ENVIRONMENT = ("--max_num_load_retries=0",), {"CUDA_VISIBLE_DEVICES": "-1"}


def make_infra_validator(config: InfraValidationConfig, model, examples) -> "LocalInfraValidator":
    """The component for the section `infra_validation` of a config.

    Args:
        config: the section.
        model: channel of the exported model.
        examples: channel of the examples, of which some of the split `eval` are asked.
    """
    program = shutil.which(str(config.binary or "tensorflow_model_server"))
    request_spec = None
    if config.examples:
        request_spec = tfx.proto.RequestSpec(
            tensorflow_serving=tfx.proto.TensorFlowServingRequestSpec(signature_names=[EXAMPLES_SIGNATURE]),
            split_name="eval",
            num_examples=config.examples,
            make_warmup=config.warmup,
        )
    return LocalInfraValidator(
        model=model,
        examples=examples,
        serving_spec=serving_spec(program),
        validation_spec=tfx.proto.ValidationSpec(
            max_loading_time_seconds=config.timeout_seconds, num_tries=config.tries
        ),
        request_spec=request_spec,
    ).with_id("InfraValidator")


def serving_spec(program: str | None):
    """TFX's description of a server: a tensorflow_model_server by its path, or with None the embedded one."""
    return tfx.proto.ServingSpec(
        tensorflow_serving=tfx.proto.TensorFlowServing(
            tags=[_GENUINE if program else _EMBEDDED], image_name=program or ""
        ),
        local_docker=tfx.proto.LocalDockerConfig(),
        model_name=MODEL_NAME,
    )


class LocalProcessRunner(BaseModelServerRunner):
    """A model server in a process of this machine.

    Args:
        model_path: the model's version folder, BASE/NUMBER.
        model_name: its name for clients.
        program: path of a tensorflow_model_server; None = the embedded server.
    """

    def __init__(self, model_path: str, model_name: str, program: str | None):
        self._base, self._name, self._program = os.path.dirname(model_path), model_name, program
        self._folder = tempfile.mkdtemp(prefix="infra-validation-")
        self._server: ModelServer | None = None

    def __repr__(self) -> str:
        return f"LocalProcessRunner({self._program or 'embedded server'}, {self._base})"

    def Start(self):  # noqa: N802
        """Starts the process."""
        log = Path(self._folder, "server.log")
        self._server = ModelServer(self._base, self._name, log, self._program, _FLAGS, _ENVIRONMENT)

    def WaitUntilRunning(self, deadline: float):  # noqa: N802
        """Returns when its port is open: a server opens it when it has loaded its models, or failed to.

        Raises:
            JobAborted: it has ended.
            DeadlineExceeded: the time `deadline` (of `time.time`) has come.
        """
        while time.time() < deadline:
            if self._server.listens():
                return
            if self._server.exit_code is not None:
                raise error_types.JobAborted(f"the server ended with exit code {self._server.exit_code}")
            time.sleep(_POLL_SECONDS)
        raise error_types.DeadlineExceeded("the server does not listen yet")

    def GetEndpoint(self) -> str:  # noqa: N802
        """host:port of gRPC."""
        return self._server.target

    def GetLogs(self) -> str | None:  # noqa: N802
        """What it has said; None before it was started."""
        return self._server and self._server.said()

    def Stop(self):  # noqa: N802
        """Ends the process, and forgets what it said."""
        self.End()
        shutil.rmtree(self._folder, ignore_errors=True)

    def End(self):  # noqa: N802
        """Ends the process; its log stays."""
        if self._server:
            self._server.stop()


class Executor(executor.Executor):
    """TFX's executor with a `LocalProcessRunner`, which says in the blessing why there is none."""

    def _Do(self, *, serving_spec, blessing, **given):  # noqa: N802
        if not serving_bins.parse_serving_binaries(serving_spec):
            raise WorkFailed(
                "InfraValidator is told no server: `tags` of its ServingSpec is empty, for which TFX would bless any "
                "model; name one, as `pipelines.infra_validator.serving_spec` does"
            )
        self._problem = None
        super()._Do(serving_spec=serving_spec, blessing=blessing, **given)
        if self._problem:
            blessing.set_string_custom_property(WHY_NOT, self._problem)

    def _ValidateOnce(self, model_path, serving_binary, serving_spec, validation_spec, requests):  # noqa: N802
        seconds = validation_spec.max_loading_time_seconds
        deadline = time.time() + seconds
        program = serving_spec.tensorflow_serving.image_name or None
        runner = LocalProcessRunner(model_path, serving_spec.model_name, program)
        # TFX's client waits for an answer for ever; a server that is gone ends that.
        watchdog = threading.Timer(seconds, runner.End)
        try:
            runner.Start()
            watchdog.start()
            runner.WaitUntilRunning(deadline)
            # gRPC goes through the proxy of the environment, and a proxy does not know this machine as itself.
            with mock.patch.dict(os.environ, no_grpc_proxy="127.0.0.1"):
                client = serving_binary.MakeClient(runner.GetEndpoint())
            client.WaitUntilModelLoaded(deadline, polling_interval_sec=_POLL_SECONDS)
            client.SendRequests(requests)
            self._problem = None
        except error_types.GracefulShutdown:
            raise
        except Exception as error:
            log = runner.GetLogs() or ""
            self._problem = _in_words(error, log, seconds, time.time() >= deadline)
            logging.error("%s\nThe server said:\n%s", self._problem, log)
            raise
        finally:
            watchdog.cancel()
            runner.Stop()


class LocalInfraValidator(InfraValidator):
    """TFX's InfraValidator with another executor."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)


def _in_words(error: Exception, log: str, seconds: int, too_late: bool) -> str:
    refusal = error.__cause__
    if too_late:
        return f"it was not loaded and asked within {seconds} s (`infra_validation.timeout_seconds`)"
    if isinstance(refusal, grpc.RpcError):
        return f"examples of the split eval were not answered: {refusal.code().name}: {_short(refusal.details())}"
    if isinstance(error, error_types.InfraValidationError):
        return f"the server did not load it: {_short(_telling_line(log))}"
    return f"no server could be started: {_short(str(error))}"


def _telling_line(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    failures = [line for line in lines if "Failed to start server" in line]
    return next(iter(failures or reversed(lines)), "it said nothing")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 300 else line[:299] + "…"
