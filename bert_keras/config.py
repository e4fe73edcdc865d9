"""The shape of a BERT encoder: one frozen dataclass, the named sizes, JSON in and out."""

import dataclasses
import difflib
import json
import math
import os

from bert_keras.errors import BadInput

ACTIVATIONS = ("gelu", "gelu_tanh", "relu")
POSITION_EMBEDDINGS = ("learned", "sinusoidal")

# Hugging Face's names for the activations that BERT checkpoints carry.
_HF_ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
}


@dataclasses.dataclass(frozen=True)
class BertConfig:
    """The hyperparameters of a BERT encoder (Devlin et al. 2019, section 3).

    Args:
        vocabulary_size: int. Number of WordPiece entries.
        num_layers: int. Number of encoder blocks ("L" in the paper).
        num_heads: int. Attention heads per block ("A"); must divide `hidden_dim`.
        hidden_dim: int. Width of the hidden states ("H").
        intermediate_dim: int. Width of the feed-forward layer, 4 x `hidden_dim` in the paper.
        max_sequence_length: int. Number of position embeddings: the longest row in tokens.
        num_segments: int. Number of segment (token type) embeddings.
        dropout: float in [0, 1). Dropout rate of hidden states.
        attention_dropout: float in [0, 1). Dropout rate of attention probabilities.
        activation: `"gelu"` (erf, what Hugging Face checkpoints use), `"gelu_tanh"` (Google's code) or `"relu"`.
        layer_norm_epsilon: float. Added to the variance in LayerNorm.
        position_embedding: `"learned"` as BERT does, or `"sinusoidal"` (Vaswani et al. 2017, section 3.5).
        initializer_range: float. Standard deviation of the truncated normal that starts every matrix.

    Raises:
        BadInput: a value out of range; the message names the field, the value and what was expected.
    """

    vocabulary_size: int = 30522
    num_layers: int = 12
    num_heads: int = 12
    hidden_dim: int = 768
    intermediate_dim: int = 3072
    max_sequence_length: int = 512
    num_segments: int = 2
    dropout: float = 0.1
    attention_dropout: float = 0.1
    activation: str = "gelu"
    layer_norm_epsilon: float = 1e-12
    position_embedding: str = "learned"
    initializer_range: float = 0.02

    def __post_init__(self):
        for name in _WHOLE_NUMBERS:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise BadInput(f"BertConfig.{name} is {value!r}; expected a whole number of at least 1.")
        for name in ("dropout", "attention_dropout"):
            value = getattr(self, name)
            if not _is_number(value) or not 0 <= value < 1:
                raise BadInput(f"BertConfig.{name} is {value!r}; expected a number from 0 up to, not including, 1.")
        for name in ("layer_norm_epsilon", "initializer_range"):
            value = getattr(self, name)
            if not _is_number(value) or not 0 < value < 1:
                raise BadInput(f"BertConfig.{name} is {value!r}; expected a number between 0 and 1.")
        if self.hidden_dim % self.num_heads:
            raise BadInput(
                f"BertConfig.hidden_dim is {self.hidden_dim}, which {self.num_heads} heads do not divide; "
                "choose num_heads so that it does."
            )
        _one_of("activation", self.activation, ACTIVATIONS)
        _one_of("position_embedding", self.position_embedding, POSITION_EMBEDDINGS)

    @classmethod
    def from_name(cls, name):
        """The named config: a size with a vocabulary (`"base_cased"`), or a size alone, which means uncased."""
        config = NAMED_CONFIGS.get(name) or NAMED_CONFIGS.get(f"{name}_uncased")
        if config is None:
            near = difflib.get_close_matches(str(name), NAMED_CONFIGS, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known names: {', '.join(NAMED_CONFIGS)}."
            raise BadInput(f"There is no BERT config named {name!r}; {hint}")
        return config

    def to_dict(self):
        """The fields as a JSON-able dict; `from_dict` gives the config back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, fields):
        """A config from `to_dict`'s dict. Raises `BadInput` for an unknown field, with the nearest known one."""
        known = [field.name for field in dataclasses.fields(cls)]
        for name in fields:
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"known fields: {', '.join(known)}."
                raise BadInput(f"BertConfig has no field {name!r}; {hint}")
        return cls(**fields)

    def to_json(self):
        """The fields as JSON text."""
        return json.dumps(self.to_dict(), indent=2) + "\n"

    @classmethod
    def from_json(cls, text_or_path):
        """A config from JSON text or from a JSON file's path: our own fields, or Hugging Face's `config.json`."""
        source = "the JSON text"
        text = text_or_path
        if not str(text_or_path).lstrip().startswith("{"):
            source = os.fspath(text_or_path)
            try:
                with open(source, encoding="utf-8") as file:
                    text = file.read()
            except (OSError, UnicodeDecodeError) as error:
                raise BadInput(f"Cannot read the config {source}: {error}.") from error
        try:
            fields = json.loads(text)
        except json.JSONDecodeError as error:
            raise BadInput(f"{source} is not valid JSON: {error}.") from error
        if not isinstance(fields, dict):
            raise BadInput(f"{source} holds a {type(fields).__name__}; expected a JSON object of config fields.")
        return cls.from_hf(fields, source) if "model_type" in fields else cls.from_dict(fields)

    @classmethod
    def from_hf(cls, fields, source="config.json"):
        """A config from the dict of a Hugging Face `config.json`.

        Raises:
            BadInput: another architecture than BERT, relative positions, a decoder, or a missing field.
        """
        if fields.get("model_type") != "bert":
            raise BadInput(
                f"{source} has model_type {fields.get('model_type')!r}; only 'bert' checkpoints can be loaded."
            )
        if fields.get("position_embedding_type", "absolute") != "absolute":
            raise BadInput(
                f"{source} has position_embedding_type {fields['position_embedding_type']!r}; expected 'absolute'."
            )
        if fields.get("is_decoder"):
            raise BadInput(f"{source} has is_decoder true; only BERT encoders can be loaded.")
        activation = _HF_ACTIVATIONS.get(fields.get("hidden_act", "gelu"))
        if activation is None:
            raise BadInput(
                f"{source} has hidden_act {fields['hidden_act']!r}; expected one of {', '.join(_HF_ACTIVATIONS)}."
            )
        try:
            return cls(
                vocabulary_size=fields["vocab_size"],
                num_layers=fields["num_hidden_layers"],
                num_heads=fields["num_attention_heads"],
                hidden_dim=fields["hidden_size"],
                intermediate_dim=fields["intermediate_size"],
                max_sequence_length=fields.get("max_position_embeddings", 512),
                num_segments=fields.get("type_vocab_size", 2),
                dropout=fields.get("hidden_dropout_prob", 0.1),
                attention_dropout=fields.get("attention_probs_dropout_prob", 0.1),
                activation=activation,
                layer_norm_epsilon=fields.get("layer_norm_eps", 1e-12),
                initializer_range=fields.get("initializer_range", 0.02),
            )
        except KeyError as error:
            raise BadInput(f"{source} lacks the field {error}, which a BERT config.json has.") from error

    def parameter_count(self):
        """Number of weights of the encoder with its pooler, worked out from the fields."""
        d, f = self.hidden_dim, self.intermediate_dim
        positions = self.max_sequence_length if self.position_embedding == "learned" else 0
        embeddings = (self.vocabulary_size + positions + self.num_segments) * d + 2 * d
        block = 4 * (d * d + d) + (d * f + f) + (f * d + d) + 4 * d
        pooler = d * d + d
        return embeddings + self.num_layers * block + pooler


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _one_of(name, value, choices):
    if value not in choices:
        raise BadInput(f"BertConfig.{name} is {value!r}; expected one of {', '.join(choices)}.")


_WHOLE_NUMBERS = (
    "vocabulary_size",
    "num_layers",
    "num_heads",
    "hidden_dim",
    "intermediate_dim",
    "max_sequence_length",
    "num_segments",
)

# Layers and width: Devlin et al. 2019 (base, large) and Turc et al. 2019, table 1 (the smaller ones).
# Heads are width / 64, the feed-forward layer is 4 x width.
SIZES = {
    "tiny": (2, 128),
    "mini": (4, 256),
    "small": (4, 512),
    "medium": (8, 512),
    "base": (12, 768),
    "large": (24, 1024),
}

# Lines of the vocabulary files that Google published with the models.
VOCABULARY_SIZES = {"uncased": 30522, "cased": 28996, "chinese": 21128, "multilingual": 119547}

NAMED_CONFIGS = {
    f"{size}_{vocabulary}": BertConfig(
        vocabulary_size=VOCABULARY_SIZES[vocabulary],
        num_layers=layers,
        hidden_dim=width,
        num_heads=width // 64,
        intermediate_dim=4 * width,
    )
    for size, (layers, width) in SIZES.items()
    for vocabulary in VOCABULARY_SIZES
}
