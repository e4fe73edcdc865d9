"""1.7 and 1.8: programs that do not start, and what they say. Each case runs the program by itself."""

import re
import tempfile
from pathlib import Path

from serving.conformance.case import Case, Section, fits, same
from serving.conformance.models import config_text
from serving.conformance.process import run
from serving.ports import free_ports

CASES: list[Case] = []
lives = Section(CASES, "1.7", "")
flags = Section(CASES, "1.8", "")
batching = Section(CASES, "1.6", "")


def _not_started(program, flags: list[str], text: str, stderr: str | None = None) -> None:
    """Raises Mismatch unless the program ends with code 255 and says `Failed to start server. Error: ` and the text."""
    (port,) = free_ports(1)
    done = run([*program.argv, f"--port={port}", *flags], program.patience)
    sent = " ".join(flags)
    fits(
        sent, done.stdout.strip().splitlines()[-1] if done.stdout.strip() else "", re.compile(_FAILED + text, re.DOTALL)
    )
    same(f"exit code of {sent}", done.code, 255)
    if stderr is not None and not re.search(stderr, done.stderr):
        fits(f"stderr of {sent}", done.stderr, re.compile(f".*{stderr}.*", re.DOTALL))


# Releases differ in how they spell the code's name: INVALID_ARGUMENT, Invalid argument.
_FAILED = r"Failed to start server\. Error: [A-Za-z_ ]+: "


def _file(folder: str, text: str) -> str:
    path = Path(folder, "file.config")
    path.write_text(text)
    return str(path)


@lives.case("config-does-not-parse")
def config_does_not_parse(program):
    """A --model_config_file that does not parse ends the start: the place of the defect goes to stderr."""
    with tempfile.TemporaryDirectory() as folder:
        path = _file(folder, "model_config_list { config { name: 'm' ")
        _not_started(
            program,
            [f"--model_config_file={path}"],
            ".*",
            r"Error parsing text-format tensorflow\.serving\.ModelServerConfig: \d+:\d+",
        )


@lives.case("failing-model-stops-the-server")
def failing_model_stops_the_server(program):
    """A model that fails for good ends the start: code 255, and the reason on stdout."""
    why = r"\{+name: broken version: 1\} due to error: .*saved_model\.pb.*\}, \}"
    base = [f"--model_base_path={program.models}/broken", "--model_name=broken", "--max_num_load_retries=0"]
    _not_started(program, base, r"1 servable\(s\) did not become available: " + why)


@lives.case("labels-at-the-start:refused")
def labels_at_the_start(program):
    """Without --allow_version_labels_for_unavailable_models a configuration with labels ends the start: no version is
    available yet."""
    label = 'version_labels { key: "stable" value: 1 }'
    with tempfile.TemporaryDirectory() as folder:
        text = config_text(str(program.models), ("ops",)).replace('name: "ops"', f'name: "ops" {label}')
        _not_started(
            program,
            [f"--model_config_file={_file(folder, text)}"],
            "Request to assign label to version 1 of model ops, which is not currently available for inference",
        )


@flags.case("relative-base-path")
def relative_base_path(program):
    """A relative --model_base_path ends the start."""
    text = r"Expected model default to have an absolute path or URI; got base_path\(\)=models"
    _not_started(program, ["--model_base_path=models"], text)


@batching.case("parameters-without-the-flag")
def parameters_without_the_flag(program):
    """--batching_parameters_file without --enable_batching ends the start."""
    with tempfile.TemporaryDirectory() as folder:
        given = [f"--model_base_path={program.models}/ops", f"--batching_parameters_file={_file(folder, '')}"]
        _not_started(program, given, ".*batching_parameters_file.*enable_batching.*")
