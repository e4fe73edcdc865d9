"""Learning rates over time."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="bert_keras")
class WarmupPolynomialDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly to `peak` over the first steps, then falls to `end` as a power of the steps that are left.

    Args:
        peak: float. The highest learning rate.
        total_steps: int. Number of optimizer steps of the whole run.
        warmup_steps: int. Number of steps of the rise; step number `warmup_steps` is the first at the peak.
        power: float above 0. 1 falls linearly; 0.5 as in You et al. 2020 (LAMB), slowly at first.
        end: float. What the rate falls to, and where it stays.
    """

    def __init__(self, peak, total_steps, warmup_steps, power=1.0, end=0.0):
        if not 0 <= warmup_steps <= total_steps:
            raise ValueError(f"warmup_steps is {warmup_steps}; expected 0 to total_steps ({total_steps}).")
        if power <= 0:
            raise ValueError(f"power is {power}; expected a number above 0.")
        self.peak = peak
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps
        self.power = power
        self.end = end

    def __call__(self, step):
        step = ops.cast(step, "float32")
        # The first step has number 0: without the 1 its rate would be 0 and the step be lost.
        rise = self.peak * (step + 1.0) / max(self.warmup_steps, 1)
        left = ops.clip((self.total_steps - step) / max(self.total_steps - self.warmup_steps, 1), 0.0, 1.0)
        fall = self.end + (self.peak - self.end) * (left if self.power == 1 else ops.power(left, self.power))
        # With a rate to end at, the rise may cross the fall on its way only where the warm-up is over.
        return ops.where(step < self.warmup_steps, ops.minimum(rise, self.peak), fall)

    def get_config(self):
        return {
            "peak": self.peak,
            "total_steps": self.total_steps,
            "warmup_steps": self.warmup_steps,
            "power": self.power,
            "end": self.end,
        }


@keras.saving.register_keras_serializable(package="bert_keras")
class WarmupLinearDecay(WarmupPolynomialDecay):
    """Rises linearly to `peak` over the first steps, then falls linearly to 0 (Devlin et al. 2019, A.2 and A.3).

    Args: `peak`, `total_steps` and `warmup_steps`, as `WarmupPolynomialDecay`.
    """

    def __init__(self, peak, total_steps, warmup_steps):
        super().__init__(peak, total_steps, warmup_steps)

    def get_config(self):
        return {name: getattr(self, name) for name in ("peak", "total_steps", "warmup_steps")}


@keras.saving.register_keras_serializable(package="bert_keras")
class PhasedSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """One schedule after the other, each counting its steps from 0: short rows first, long ones then.

    You et al. 2020, 4.1, warm up again when the length of the rows changes; Adam's moments are those of short rows.

    Args:
        schedules: list of `LearningRateSchedule`.
        steps: list of ints, how many steps each is in force. The last one stays in force after its steps.
    """

    def __init__(self, schedules, steps):
        if not schedules or len(schedules) != len(steps) or min(steps) < 1:
            raise ValueError(
                f"steps is {steps}; expected a number of at least 1 for each of {len(schedules)} schedules."
            )
        self.schedules = list(schedules)
        self.steps = list(steps)

    def __call__(self, step):
        step = ops.cast(step, "float32")
        starts = [sum(self.steps[:number]) for number in range(len(self.steps))]
        rate = self.schedules[0](step)
        for schedule, start in zip(self.schedules[1:], starts[1:]):
            rate = ops.where(step < start, rate, schedule(ops.maximum(step - start, 0.0)))
        return rate

    def get_config(self):
        return {"schedules": keras.saving.serialize_keras_object(self.schedules), "steps": self.steps}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config["schedules"]), config["steps"])
