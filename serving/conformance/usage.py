"""What a program's usage says of its flags: their names and defaults."""

import functools
import re

from serving.conformance.process import run

# No flag of any server; it makes a server print its usage.
UNKNOWN = "--no_such_flag"
_FLAG = re.compile(r"^\s*--([a-z][a-z0-9_]*)=(\"[^\"]*\"|\S*)", re.MULTILINE)


@functools.cache
def defaults(argv: tuple[str, ...], patience: float) -> dict[str, str]:
    """Default, as it is written, by name of the flag; empty where the program prints no usage."""
    done = run([*argv, UNKNOWN, "--port=0", "--model_base_path=/m"], patience)
    return {name: text.strip('"') for name, text in _FLAG.findall(done.stdout)}
