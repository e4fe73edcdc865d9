"""One suite of cases for every server that speaks TensorFlow Serving's API: what the genuine one does, fact by fact.

    python -m serving.conformance --executable tensorflow_model_server
    python -m serving.conformance --executable "python -m serving.server"
    python -m serving.conformance --endpoint localhost:8500 --rest localhost:8501

A case for every row of the contract (`rows`), which was read off TensorFlow Serving's sources; `--list` shows the
cases with their sources, and the rows that no program outside of a server can observe. Requests are raw messages and
raw HTTP: nothing of this package's client or server is used, and no TensorFlow runs here.

The parts: `cases/` what is sent and what must come, a file for each part of the contract; `setups` the servers that are
started for them; `subject` a server as a case sees it, `wire` the calls; `zoo`, `graphs` and `models` write the models
(with TensorFlow, in a process of their own); `runner` and `report` run the cases and tell; `program` is the command.
"""
