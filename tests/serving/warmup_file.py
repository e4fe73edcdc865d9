"""Writes the file of requests that a version is warmed up with."""


def write_warmup(folder, *logs):
    """Puts PredictionLogs (or bytes that are none) into the version's folder."""
    import tensorflow as tf

    (folder / "assets.extra").mkdir()
    with tf.io.TFRecordWriter(str(folder / "assets.extra" / "tf_serving_warmup_requests")) as writer:
        for log in logs:
            writer.write(log if isinstance(log, bytes) else log.SerializeToString())
