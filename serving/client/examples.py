"""tf.train.Example messages from plain dicts."""

from collections.abc import Mapping

import numpy as np

from serving.protos import example_pb2


def example(features: Mapping[str, object] | example_pb2.Example) -> example_pb2.Example:
    """An Example. Values: str, bytes, int, float, or lists of one of these. Raises TypeError for others."""
    if isinstance(features, example_pb2.Example):
        return features
    message = example_pb2.Example()
    for name, value in features.items():
        values = value if isinstance(value, (list, tuple, np.ndarray)) else [value]
        feature = message.features.feature[name]
        if all(isinstance(v, (str, bytes)) for v in values):
            feature.bytes_list.value.extend(v.encode() if isinstance(v, str) else v for v in values)
        elif all(isinstance(v, (bool, int, np.integer, np.bool_)) for v in values):
            feature.int64_list.value.extend(int(v) for v in values)
        elif all(isinstance(v, (int, float, np.number)) for v in values):
            feature.float_list.value.extend(float(v) for v in values)
        else:
            raise TypeError(f"feature {name!r} holds {value!r:.60}: expected text, bytes, ints or floats, not mixed")
    return message
