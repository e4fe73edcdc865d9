"""An embedded model server: TensorFlow Serving's files, flags, calls and messages, where its binary is not installed.

    python -m serving.server --port=8500 --rest_api_port=8501 --model_name=M --model_base_path=/absolute/path

It is not TensorFlow Serving, and says so. The parts, from the ground up: `session` runs SavedModels (the only module
with private TensorFlow names), `batching` puts runs together, `manager` loads, swaps and drains versions, `core`
answers calls, `grpc_api` and `rest_api` carry them, `app` ties these together, `program` is the process with its flags
and files. What TensorFlow Serving has not stands in `extensions`. Importing this package imports no TensorFlow.
"""
