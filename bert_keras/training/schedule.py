"""Learning rates over time."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="bert_keras")
class WarmupLinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly to `peak` over the first steps, then falls linearly to 0 (Devlin et al. 2019, A.2 and A.3).

    Args:
        peak: float. The highest learning rate.
        total_steps: int. Number of optimizer steps of the whole run.
        warmup_steps: int. Number of steps of the rise; step number `warmup_steps` is the first at the peak.
    """

    def __init__(self, peak, total_steps, warmup_steps):
        if not 0 <= warmup_steps <= total_steps:
            raise ValueError(f"warmup_steps is {warmup_steps}; expected 0 to total_steps ({total_steps}).")
        self.peak = peak
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps

    def __call__(self, step):
        step = ops.cast(step, "float32")
        # The first step has number 0: without the 1 its rate would be 0 and the step be lost.
        rise = (step + 1.0) / max(self.warmup_steps, 1)
        fall = (self.total_steps - step) / max(self.total_steps - self.warmup_steps, 1)
        return self.peak * ops.maximum(ops.minimum(ops.minimum(rise, fall), 1.0), 0.0)

    def get_config(self):
        return {"peak": self.peak, "total_steps": self.total_steps, "warmup_steps": self.warmup_steps}
