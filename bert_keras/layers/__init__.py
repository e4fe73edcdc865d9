"""The encoder's layers, written in `keras.ops` alone: they run under any Keras backend."""

from bert_keras.layers.attention import SelfAttention
from bert_keras.layers.crf import LinearChainCRF
from bert_keras.layers.dropout import Dropout
from bert_keras.layers.embeddings import BertEmbeddings
from bert_keras.layers.encoder_block import EncoderBlock
from bert_keras.layers.linear import Linear
from bert_keras.layers.masked_lm_head import MaskedLMHead
from bert_keras.layers.masks import AttentionBias, PackedPositions
from bert_keras.layers.normalization import LayerNorm
from bert_keras.layers.pooler import MeanPooler, Pooler

__all__ = [
    "AttentionBias",
    "BertEmbeddings",
    "Dropout",
    "EncoderBlock",
    "LayerNorm",
    "Linear",
    "LinearChainCRF",
    "MaskedLMHead",
    "MeanPooler",
    "PackedPositions",
    "Pooler",
    "SelfAttention",
]
