"""The contract of every command: exit codes, one line on stderr, no traceback unless --debug.

0 done; 1 the work failed; 2 bad usage or bad input; 130 interrupted (Ctrl-C); 143 terminated; 141 the reader of our
output went away.
"""

import os
import signal
import sys
import threading
import traceback
from typing import NoReturn

import click

from bert_keras.errors import BadInput, WorkFailed
from bert_keras.files import full_disk

PROGRAM = "bert-keras"
INTERRUPTED, TERMINATED, BROKEN_PIPE = 130, 143, 141
_DEBUG = "bert_keras.debug"


class Command(click.Command):
    """A command with --debug."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.params.append(_debug_option())


class Group(click.Group):
    """A group whose `main` keeps the contract, and whose commands have --debug."""

    command_class = Command
    group_class = type

    def __init__(self, *args, **kwargs):
        # Without a command: one line and code 2, as for any other wrong usage.
        super().__init__(*args, no_args_is_help=False, **kwargs)
        self.params.append(_debug_option())

    def list_commands(self, context):
        return list(self.commands)

    def main(self, args=None, prog_name=None, **extra) -> NoReturn:
        code = _run(self, list(sys.argv[1:] if args is None else args), extra)
        sys.exit(_flushed(code))


def _debug_option() -> click.Option:
    return click.Option(
        ["--debug"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        help="Show the traceback of an error, and TensorFlow's own messages.",
        callback=lambda context, _, value: context.meta.__setitem__(_DEBUG, value or is_debug(context)),
    )


def is_debug(context: click.Context) -> bool:
    """Whether --debug was given, before or after the command's name."""
    return bool(context.meta.get(_DEBUG))


def _run(group: click.Group, args: list[str], extra: dict) -> int:
    context = None
    try:
        with _terminated_as_exception():
            context = group.make_context(PROGRAM, args, **extra)
            with context:
                group.invoke(context)
        return 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        return _say(_usage(error), BadInput.exit_code, None)
    except (BadInput, WorkFailed) as error:
        return _say(str(error), error.exit_code, context)
    except (KeyboardInterrupt, click.Abort):
        return _say("interrupted", INTERRUPTED, context)
    except _Terminated:
        return _say("terminated", TERMINATED, context)
    except BrokenPipeError:
        return BROKEN_PIPE
    except Exception as error:
        if reason := full_disk(error):
            return _say(_no_room(reason), WorkFailed.exit_code, context)
        return _say(f"failed: {_summary(error)} (--debug shows where)", WorkFailed.exit_code, context)


def _say(message: str, code: int, context: click.Context | None) -> int:
    if context is not None and is_debug(context):
        traceback.print_exc()
    try:
        click.echo(f"{PROGRAM}: " + " ".join(message.split()), err=True)
    except BrokenPipeError:
        pass
    return code


def _usage(error: click.ClickException) -> str:
    message = error.format_message()
    context = getattr(error, "ctx", None)
    if context is None:
        return message
    return f"{message.rstrip('.')}; see {context.command_path} --help"


def _summary(error: Exception, limit: int = 300) -> str:
    # TensorFlow's messages run over many lines; the first says what, the rest where in the graph.
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or ["no message"]
    # An error in a traced function begins with the trace; the message comes last.
    first = lines[-1] if lines[0] == "in user code:" else lines[0]
    first = first if len(first) <= limit else first[: limit - 1] + "…"
    name = type(error).__name__
    return f"{name}: {first.removeprefix(f'{name}: ')}"


def _flushed(code: int) -> int:
    try:
        sys.stdout.flush()
    except OSError as error:
        # The interpreter flushes once more at exit and would complain there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return BROKEN_PIPE
        return _say(_no_room(error.strerror), code or WorkFailed.exit_code, None)
    return code


def _no_room(reason: str) -> str:
    return f"the output cannot be written ({reason}): make room and run it again"


class _Terminated(BaseException):
    """SIGTERM, as an exception: temporary files are removed on the way out."""


class _terminated_as_exception:
    def __enter__(self):
        self._before = None
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._stop)

    def __exit__(self, *_):
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)

    @staticmethod
    def _stop(*_):
        raise _Terminated
