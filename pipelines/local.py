"""The components one after the other, in this process."""

import datetime
import re
import time
from collections.abc import Callable

from tfx.dsl.compiler import constants
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import launcher, runtime_parameter_utils, tfx_runner

from bert_keras.errors import BadInput, WorkFailed
from pipelines import history
from pipelines.log import RunLog

# What Beam appends to the message of a step's error.
_BEAM_STEP = re.compile(r" \[while running '.*'\]\Z", re.DOTALL)


class LocalRunner(tfx_runner.IrBasedRunner):
    """TFX's LocalDagRunner, with a line for each component as it starts and as it ends, and its failure by name.

    Args:
        say: takes each line.
        log: the log of the run.
        checks: component -> function of its `history.Node`, called when it has run; what it raises ends the run.
    """

    def __init__(self, say: Callable[[str], None], log: RunLog, checks: dict[str, Callable] | None = None):
        super().__init__()
        self._say, self._log, self._checks = say, log, checks or {}

    def run_with_ir(self, pipeline, run_options=None):
        """Runs a compiled pipeline.

        Raises:
            WorkFailed: a component failed; those after it have not run.
            BadInput: a component, or a check of what it found, refused the data.
        """
        run_id = datetime.datetime.now().isoformat()
        runtime_parameter_utils.substitute_runtime_parameter(
            pipeline, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: run_id}
        )
        deployment = runner_utils.extract_local_deployment_config(pipeline)
        connection = deployment.metadata_connection_config
        connection = getattr(connection, connection.WhichOneof("connection_config"))
        for number, node in enumerate(pipeline.nodes, start=1):
            name = node.pipeline_node.node_info.id
            started = time.monotonic()
            self._say(f"[{number}/{len(pipeline.nodes)}] {name} …")
            component = launcher.Launcher(
                pipeline_node=node.pipeline_node,
                mlmd_connection=metadata.Metadata(connection),
                pipeline_info=pipeline.pipeline_info,
                pipeline_runtime_spec=pipeline.runtime_spec,
                executor_spec=runner_utils.extract_executor_spec(deployment, name),
                custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, name),
            )
            self._launch(component, name)
            done = history.run_nodes(connection, run_id)[name]
            state = done.state
            if state not in (history.RAN, history.CACHED):
                raise WorkFailed(f"the component {name} did not finish, it is {state} (see {self._log.path})")
            seconds = time.monotonic() - started
            self._say(f"      {'unchanged, taken from the cache' if state == history.CACHED else f'{seconds:.1f} s'}")
            if name in self._checks:
                self._checks[name](done)
        return history.run_nodes(connection, run_id)

    def _launch(self, component, name: str):
        # Components set the level of the log as they like.
        self._log.listen()
        try:
            component.launch()
        except BadInput as error:
            raise BadInput(_BEAM_STEP.sub("", str(error))) from error
        except WorkFailed:
            raise
        except Exception as error:
            raise WorkFailed(
                f"the component {name} failed: {_first_line(error)} (all of it: {self._log.path})"
            ) from error


def _first_line(error: Exception) -> str:
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return first if len(first) <= 300 else first[:299] + "…"
