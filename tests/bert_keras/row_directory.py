"""A directory of rows for pretraining such as `bert-keras pretrain-data` writes, without Beam."""

import json

import numpy as np


def write_rows(folder, tokenizer, words, length=16, objective="nsp"):
    """Writes rows of made-up texts of these words, in two shards with a manifest, to a folder; gives the folder."""
    import tensorflow as tf

    from bert_keras.data.encoded_corpus import encode_documents
    from bert_keras.data.masking import MaskSettings
    from bert_keras.data.pretraining_rows import PretrainingRows
    from bert_keras.data.row_features import serialize_rows
    from bert_keras.data.row_files import file_sha256, manifest_of, shard_name, vocabulary_sha256
    from bert_keras.data.row_plan import RowSettings

    random = np.random.default_rng(0)
    documents = [[" ".join(random.choice(words, 4)) for _ in range(6)] for _ in range(30)]
    masks = MaskSettings(max_predictions=3)
    rows = PretrainingRows(encode_documents(documents, tokenizer), tokenizer, RowSettings(length, objective), masks)
    shards = []
    for index in range(2):
        path = folder / shard_name(index, 2)
        serialized = serialize_rows(rows.rows(0, np.arange(index, rows.num_rows(), 2)))
        with tf.io.TFRecordWriter(str(path)) as writer:
            for example in serialized:
                writer.write(example)
        shards.append({"file": path.name, "rows": len(serialized), "bytes": path.stat().st_size})
        shards[-1]["sha256"] = file_sha256(str(path))
    vocabulary = tokenizer.get_vocabulary()
    described = {"pieces": len(vocabulary), "sha256": vocabulary_sha256(vocabulary), "lowercase": True}
    settings = {"rows": {"max_length": length, "objective": objective}, "masks": {"max_predictions": 3}}
    manifest = manifest_of(settings, {**described, "strip_accents": True}, shards, {})
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder
