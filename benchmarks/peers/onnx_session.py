"""Worker of bench_export: ONNX Runtime on the peers' Python.

python benchmarks/peers/onnx_session.py MODEL.onnx      (started by bench_export.py)
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import onnxruntime
from export_turns import answer
from interleave import Channel


def main(path):
    channel = Channel()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = channel.receive()["threads"]
    channel.send(library=f"onnxruntime {onnxruntime.__version__}")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def model(tokens):
        return session.run(["scores"], {name: values.astype("int64") for name, values in tokens.items()})[0]

    while (request := channel.receive()) is not None:
        channel.send(**answer(model, request))


if __name__ == "__main__":
    main(sys.argv[1])
