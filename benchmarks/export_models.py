"""Writes one classifier as our SavedModel, as KerasHub's, and as arrays from which the peers make theirs.

python benchmarks/export_models.py FOLDER
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import keras_nlp
import numpy as np

from bert_keras import TextClassifier


def main(folder):
    classifier = TextClassifier.from_preset("minilm_l6_uncased", labels=["negative", "positive"])
    # A head that tells texts apart, so that the comparison of scores means something.
    head = np.random.default_rng(0).normal(0, 1, classifier.output_dense.kernel.shape)
    classifier.output_dense.kernel.assign(head)
    classifier.export(folder / "ours")
    keras_hub_classifier(classifier).export(str(folder / "keras_hub"), verbose=False)
    np.savez(folder / "head.npz", kernel=head, bias=classifier.output_dense.bias)


def keras_hub_classifier(classifier):
    """KerasHub's classifier with the weights of ours."""
    ours, config = classifier.backbone, classifier.backbone.config
    backbone = keras_nlp.models.BertBackbone(
        vocabulary_size=config.vocabulary_size,
        num_layers=config.num_layers,
        num_heads=config.num_heads,
        hidden_dim=config.hidden_dim,
        intermediate_dim=config.intermediate_dim,
        max_sequence_length=config.max_sequence_length,
        num_segments=config.num_segments,
    )
    backbone.get_layer("token_embedding").embeddings.assign(ours.embeddings.token_table)
    backbone.get_layer("segment_embedding").embeddings.assign(ours.embeddings.segment_table)
    backbone.get_layer("position_embedding").position_embeddings.assign(ours.embeddings.position_table)
    copy(ours.embeddings.layer_norm, backbone.get_layer("embeddings_layer_norm"))
    for number, block in enumerate(ours.blocks):
        layer = backbone.get_layer(f"transformer_layer_{number}")
        attention = layer._self_attention_layer
        kernels, biases = np.split(block.attention.qkv.kernel, 3, axis=1), np.split(block.attention.qkv.bias, 3)
        for name, kernel, bias in zip(("query", "key", "value"), kernels, biases):
            dense = getattr(attention, f"{name}_dense")
            dense.kernel.assign(kernel.reshape(dense.kernel.shape))
            dense.bias.assign(bias.reshape(dense.bias.shape))
        copy(block.attention.output_dense, attention.output_dense)
        copy(block.attention_norm, layer._self_attention_layer_norm)
        copy(block.intermediate, layer._feedforward_intermediate_dense)
        copy(block.output_dense, layer._feedforward_output_dense)
        copy(block.feedforward_norm, layer._feedforward_layer_norm)
    copy(ours.pooler.dense, backbone.get_layer("pooled_dense"))
    peer = keras_nlp.models.BertTextClassifier(backbone, num_classes=2, preprocessor=None, activation="softmax")
    copy(classifier.output_dense, peer.get_layer("logits"))
    return peer


def copy(source, target):
    """Weights of one layer into another whose shapes may be cut differently."""
    for name in ("kernel", "bias", "gamma", "beta"):
        if hasattr(source, name):
            weight = getattr(target, name)
            weight.assign(np.reshape(getattr(source, name), weight.shape))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
