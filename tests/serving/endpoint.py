"""Raw calls to a server under test: the conformance suite's own."""

from serving.conformance.wire import Endpoint, fill_spec, predict_request

__all__ = ["Endpoint", "fill_spec", "predict_request"]
