import os
import sys

from serving.server.program import main

code = main()
sys.stdout.flush()
sys.stderr.flush()
# Not sys.exit: the interpreter would wait for threads whose requests did not end within --drain_timeout_seconds.
os._exit(code)
