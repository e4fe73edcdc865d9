import os
import signal
import sys

# gRPC's own log would tell of every connection that a TLS case has refused.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from serving.conformance.program import main  # noqa: E402 - gRPC reads the variable above

# Unwinds: the servers that were started are stopped.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
sys.exit(main())
