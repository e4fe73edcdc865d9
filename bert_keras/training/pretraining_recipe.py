"""How to pretrain: optimizer, learning rate over one phase or several."""

import dataclasses

from bert_keras.errors import BadInput

OPTIMIZERS = ("adamw", "lamb")


@dataclasses.dataclass(frozen=True)
class PretrainingRecipe:
    """Optimizer and schedule of a pretraining run; the defaults are those of Devlin et al. 2019, A.2.

    Args:
        optimizer: `"adamw"`, or `"lamb"` for batches of thousands of rows (You et al. 2020).
        warmup: float in [0, 1]. Share of the steps over which the rate rises.
        decay_power: float above 0. 1 = linear decay; You et al. take 0.5.
        weight_decay: float. Decoupled; not applied to `bias`, `gamma` and `beta`.
        clip: float. Largest L2 norm of the gradient of the whole batch; 0 = no clipping.
        bias_correction: bool. False as in the code that BERT was published with.
        layer_decay: float above 0, at most 1; see `layer_rate_scales`.

    Raises:
        BadInput: a value out of range; the message names it.
    """

    optimizer: str = "adamw"
    warmup: float = 0.01
    decay_power: float = 1.0
    weight_decay: float = 0.01
    clip: float = 1.0
    bias_correction: bool = True
    layer_decay: float = 1.0

    def __post_init__(self):
        if self.optimizer not in OPTIMIZERS:
            raise BadInput(f"optimizer is {self.optimizer!r}; expected one of {', '.join(OPTIMIZERS)}.")
        for name, most in (("warmup", 1), ("weight_decay", float("inf")), ("clip", float("inf"))):
            if not 0 <= getattr(self, name) <= most:
                raise BadInput(f"{name} is {getattr(self, name)}; expected a number from 0 to {most}.")
        for name, most in (("decay_power", float("inf")), ("layer_decay", 1)):
            if not 0 < getattr(self, name) <= most:
                raise BadInput(f"{name} is {getattr(self, name)}; expected a number above 0, at most {most}.")

    def build(self, steps, learning_rates):
        """A fresh optimizer.

        Args:
            steps: list of ints, the steps of each phase.
            learning_rates: list of floats, the highest rate of each phase: the rate rises and falls in each. A single
                one: it rises and falls once, over all phases.

        Raises:
            BadInput: there are neither one nor as many rates as phases, or one is not above 0.
        """
        from bert_keras.training.lamb import LAMB
        from bert_keras.training.optimizer import AdamW
        from bert_keras.training.schedule import PhasedSchedule

        if len(learning_rates) not in (1, len(steps)):
            raise BadInput(
                f"There are {len(learning_rates)} learning rates for {len(steps)} phases; expected one, or as many."
            )
        for rate in learning_rates:
            if not 0 < rate < float("inf"):
                raise BadInput(f"learning_rate is {rate}; expected a number above 0, such as 1e-4.")
        if len(learning_rates) == 1:
            schedule = self._schedule(sum(steps), learning_rates[0])
        else:
            schedule = PhasedSchedule([self._schedule(*phase) for phase in zip(steps, learning_rates)], steps)
        return (LAMB if self.optimizer == "lamb" else AdamW)(
            schedule,
            weight_decay=self.weight_decay,
            global_clipnorm=self.clip or None,
            bias_correction=self.bias_correction,
            layer_decay=self.layer_decay,
        )

    def _schedule(self, steps, rate):
        from bert_keras.training.schedule import WarmupPolynomialDecay

        return WarmupPolynomialDecay(rate, steps, int(self.warmup * steps), power=self.decay_power)
