"""KerasHub's own BERT presets: the weights of `keras_nlp.models.BertBackbone` in our layers."""

import numpy as np

from bert_keras.config import BertConfig


def config_of(theirs):
    """The `BertConfig` of a `keras_nlp.models.BertBackbone`, which always uses tanh GELU and epsilon 1e-12."""
    return BertConfig(
        vocabulary_size=theirs.vocabulary_size,
        num_layers=theirs.num_layers,
        num_heads=theirs.num_heads,
        hidden_dim=theirs.hidden_dim,
        intermediate_dim=theirs.intermediate_dim,
        max_sequence_length=theirs.max_sequence_length,
        num_segments=theirs.num_segments,
        dropout=theirs.dropout,
        attention_dropout=theirs.dropout,
        activation="gelu_tanh",
    )


def encoder_weights(theirs):
    """Dict of the weights' paths in our `BertBackbone` to float32 arrays, read from KerasHub's backbone."""
    found = {_tail(weight.path): np.asarray(weight, "float32") for weight in theirs.weights}
    dim = theirs.hidden_dim
    weights = {
        "embeddings/token_embeddings": found["token_embedding/embeddings"],
        "embeddings/position_embeddings": found["position_embedding/embeddings"],
        "embeddings/segment_embeddings": found["segment_embedding/embeddings"],
        "embeddings/layer_norm/gamma": found["embeddings_layer_norm/gamma"],
        "embeddings/layer_norm/beta": found["embeddings_layer_norm/beta"],
        "pooler/dense/kernel": found["pooled_dense/kernel"],
        "pooler/dense/bias": found["pooled_dense/bias"],
    }
    for index in range(theirs.num_layers):
        layer, ours = f"transformer_layer_{index}/", f"block_{index}/"
        attention = layer + "self_attention_layer/"
        parts = ("query", "key", "value")
        weights[ours + "attention/qkv/kernel"] = np.concatenate(
            [found[f"{attention}{part}/kernel"].reshape(dim, dim) for part in parts], axis=1
        )
        weights[ours + "attention/qkv/bias"] = np.concatenate(
            [found[f"{attention}{part}/bias"].reshape(dim) for part in parts]
        )
        weights[ours + "attention/output_dense/kernel"] = found[attention + "attention_output/kernel"].reshape(dim, dim)
        weights[ours + "attention/output_dense/bias"] = found[attention + "attention_output/bias"]
        for name, target in (
            ("feedforward_intermediate_dense", "intermediate"),
            ("feedforward_output_dense", "output_dense"),
        ):
            weights[f"{ours}{target}/kernel"] = found[f"{layer}{name}/kernel"]
            weights[f"{ours}{target}/bias"] = found[f"{layer}{name}/bias"]
        for name, target in (
            ("self_attention_layer_norm", "attention_norm"),
            ("feedforward_layer_norm", "feedforward_norm"),
        ):
            weights[f"{ours}{target}/gamma"] = found[f"{layer}{name}/gamma"]
            weights[f"{ours}{target}/beta"] = found[f"{layer}{name}/beta"]
    return weights


def _tail(path):
    # A weight's path starts with its model's name in some Keras versions.
    return path.split("bert_backbone/", 1)[-1]
