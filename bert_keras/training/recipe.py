"""The fine-tuning recipe that `compile()` without arguments means."""

import dataclasses
import math

from bert_keras.errors import BadInput


@dataclasses.dataclass(frozen=True)
class Recipe:
    """BERT's fine-tuning recipe (Devlin et al. 2019, appendix A.3).

    Args:
        learning_rate: float. The peak.
        warmup: float in [0, 1]. Share of all steps over which the rate rises from 0; then it falls linearly to 0.
        weight_decay: float. Decoupled; not applied to `bias`, `gamma` and `beta`.
        clip: float. Largest L2 norm of the gradient of the whole batch; 0 = no clipping.
        layer_decay: float above 0, at most 1. Each layer's learning rate over that of the layer above it.
    """

    learning_rate: float = 5e-5
    warmup: float = 0.1
    weight_decay: float = 0.01
    clip: float = 1.0
    layer_decay: float = 1.0

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
                raise BadInput(f"{field.name} is {value!r}; expected a number of at least 0.")
        if not self.learning_rate:
            raise BadInput("learning_rate is 0; expected a number above 0, such as 5e-5.")
        if self.warmup > 1:
            raise BadInput(f"warmup is {self.warmup}; expected a share of all steps, from 0 to 1.")
        if not 0 < self.layer_decay <= 1:
            raise BadInput(f"layer_decay is {self.layer_decay}; expected a number above 0, at most 1.")

    def optimizer(self, total_steps, shared=False):
        """A fresh optimizer for a run of `total_steps` steps; `shared`: for models that take turns."""
        from bert_keras.training.optimizer import AdamW, SharedAdamW
        from bert_keras.training.schedule import WarmupLinearDecay

        schedule = WarmupLinearDecay(self.learning_rate, total_steps, int(self.warmup * total_steps))
        optimizer = SharedAdamW if shared else AdamW
        return optimizer(
            schedule,
            weight_decay=self.weight_decay,
            global_clipnorm=self.clip or None,
            layer_decay=self.layer_decay,
        )


def steps_per_execution(backbone_config, tokens_per_batch):
    """How many steps to run between two returns to Python.

    Returning costs a few milliseconds: nothing beside a step of BERT-base, as much as a step of a tiny model. The
    number is chosen so that an execution takes about a fifth of a second on two cores, hence progress stays visible.

    Args:
        backbone_config: `BertConfig`.
        tokens_per_batch: float. Mean number of tokens in a batch, padding included.
    """
    weights = backbone_config.num_layers * (
        4 * backbone_config.hidden_dim**2 + 2 * backbone_config.hidden_dim * backbone_config.intermediate_dim
    )
    # Forward and backward are 6 floating point operations a weight and token; two cores do about 1e11 a second.
    seconds = 6 * weights * tokens_per_batch / 1e11
    return int(min(max(0.2 / max(seconds, 1e-6), 1), 32))
