"""An encoder that learns within seconds, for the models of the tests."""

import keras

TINY = {"num_layers": 2, "num_heads": 2, "hidden_dim": 32, "intermediate_dim": 64, "max_sequence_length": 32}
# A narrow encoder without pretraining learns within a few dozen steps when it starts wide and keeps every value.
TINY |= {"initializer_range": 0.15, "dropout": 0.0, "attention_dropout": 0.0}


def tiny_encoder(vocabulary, seed=0, **options):
    """A `BertBackbone` of 2 layers x 32 for a list of pieces; `options` as the class takes them."""
    from bert_keras import BertBackbone

    keras.utils.set_random_seed(seed)
    return BertBackbone(**{"vocabulary_size": len(vocabulary), **TINY, **options})
