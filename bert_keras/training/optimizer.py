"""AdamW in TensorFlow's fused kernels, clipped by the gradient of the whole batch."""

import keras
import tensorflow as tf

from bert_keras.training.layer_decay import layer_rate_scales

# Keras' names of the weights that are shifts and scales: decaying them does not regularize.
NO_WEIGHT_DECAY = ("bias", "gamma", "beta")


@keras.saving.register_keras_serializable(package="bert_keras", name="AdamW")
class AdamW(keras.optimizers.AdamW):
    """AdamW (Loshchilov & Hutter 2019) that is fast on CPU and gives the same weights on one replica as on several.

    What differs from `keras.optimizers.AdamW`:
    - Gradients are summed over the replicas of a `tf.distribute` strategy first and clipped after, by the norm of the
      global batch. Keras clips each replica's own, which changes the result with the number of replicas.
    - A variable is updated by one fused op instead of a dozen.
    - Epsilon is added to the corrected second moment, as in algorithm 1 of Kingma & Ba (2015) and in PyTorch. Keras and
      TensorFlow add it before the correction, where it weighs up to thirty times more in the first steps.
    - Weight decay leaves out `bias`, `gamma` and `beta`.

    Args:
        bias_correction: bool. False leaves the moments as they are, near 0 at first, as the code that BERT was
            published with does: the first steps are then smaller or larger than the learning rate says.
        layer_decay: float above 0, at most 1. Each layer's learning rate over that of the layer above it; see
            `layer_rate_scales`.
        learning_rate, weight_decay, epsilon, global_clipnorm, **kwargs: as `keras.optimizers.AdamW`, without
            `clipnorm`, `clipvalue`, `amsgrad`, `use_ema` and `gradient_accumulation_steps`, which raise ValueError.
    """

    def __init__(
        self,
        learning_rate=5e-5,
        weight_decay=0.01,
        epsilon=1e-6,
        global_clipnorm=1.0,
        bias_correction=True,
        layer_decay=1.0,
        **kwargs,
    ):
        for name in ("clipnorm", "clipvalue", "amsgrad", "use_ema", "gradient_accumulation_steps"):
            if kwargs.get(name):
                raise ValueError(f"{type(self).__name__}: {name} is not supported; use keras.optimizers.AdamW for it.")
        if not 0 < layer_decay <= 1:
            raise ValueError(f"layer_decay is {layer_decay!r}; expected a number above 0, at most 1.")
        super().__init__(
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            epsilon=epsilon,
            global_clipnorm=global_clipnorm,
            **kwargs,
        )
        self.bias_correction = bias_correction
        self.layer_decay = layer_decay
        self.exclude_from_weight_decay(var_names=[f"^{name}$" for name in NO_WEIGHT_DECAY])

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self._rate_scales = layer_rate_scales([variable.path for variable in variables], self.layer_decay)

    def get_config(self):
        return {**super().get_config(), "bias_correction": self.bias_correction, "layer_decay": self.layer_decay}

    def load_own_variables(self, store):
        # A model that comes back from a file has an optimizer for a run yet to start: there is nothing to load into it,
        # and Keras would warn about that.
        if self.built and len(store.keys()) == len(self.variables):
            super().load_own_variables(store)

    def _backend_apply_gradients(self, grads, trainable_variables):
        grads = [tf.convert_to_tensor(grad) for grad in grads]
        context = tf.distribute.get_replica_context()
        if context is not None and context.num_replicas_in_sync > 1:
            grads = context.all_reduce(tf.distribute.ReduceOp.SUM, grads)
        if self.global_clipnorm:
            grads = clip_by_global_norm(grads, self.global_clipnorm)
        rates = self._rates()
        tf.__internal__.distribute.interim.maybe_merge_call(
            self._update_all, self._distribution_strategy, grads, trainable_variables, rates
        )

    def _rates(self):
        step = tf.cast(self.iterations + 1, tf.float32)
        return tf.cast(self.learning_rate, tf.float32), *self._powers(step)

    def _powers(self, step):
        """What the moments lack after so many updates: 1 - power is the sum of the gradients' weights in them."""
        if not self.bias_correction:
            return tf.constant(0.0), tf.constant(0.0)
        return tf.pow(self.beta_1, step), tf.pow(self.beta_2, step)

    def _update_all(self, strategy, grads, variables, rates):
        for variable, grad in zip(variables, grads):
            args, kwargs = (*self._slots_of(variable), grad, *rates), self._options_of(variable)
            strategy.extended.update(variable.value, self._update_one, args=args, kwargs=kwargs, group=False)

    def _slots_of(self, variable):
        index = self._get_variable_index(variable)
        return self._momentums[index].value, self._velocities[index].value

    def _options_of(self, variable):
        return {
            "rate_scale": self._rate_scales[self._get_variable_index(variable)],
            "decay": self.weight_decay if self.weight_decay and self._use_weight_decay(variable) else 0.0,
        }

    def _update_one(
        self, variable, momentum, velocity, grad, learning_rate, beta_1_power, beta_2_power, rate_scale, decay
    ):
        learning_rate = learning_rate * rate_scale
        if decay:
            # variable -= rate * decay * variable, without a temporary of its size.
            tf.raw_ops.ResourceApplyGradientDescent(
                var=variable.handle, alpha=learning_rate * decay, delta=variable.read_value()
            )
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=momentum.handle,
            v=velocity.handle,
            beta1_power=beta_1_power,
            beta2_power=beta_2_power,
            lr=learning_rate,
            beta1=self.beta_1,
            beta2=self.beta_2,
            # The op divides by sqrt(v) + epsilon and corrects the rate for both moments.
            epsilon=self.epsilon * tf.sqrt(1.0 - beta_2_power),
            grad=tf.cast(grad, variable.dtype),
        )


@keras.saving.register_keras_serializable(package="bert_keras", name="SharedAdamW")
class SharedAdamW(AdamW):
    """AdamW for models that share weights and take turns: a step updates the weights of one of them alone.

    Adam's moments start at zero and are corrected for that by the number of updates. Here every variable counts its
    own: by the number of all steps, the first updates of a head whose turn comes late would be up to three times too
    large. The learning rate follows all steps. Where all variables are updated in every step, it is `AdamW`.

    Build it on the variables of all models. What is not among the variables of a step stays as it is, moments included.
    """

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self._updates = [self.add_variable((), dtype="float32", name="updates") for _ in variables]

    def _slots_of(self, variable):
        return (*super()._slots_of(variable), self._updates[self._get_variable_index(variable)].value)

    def _update_one(self, variable, momentum, velocity, updates, grad, learning_rate, _beta_1, _beta_2, **options):
        updates.assign_add(1.0)
        powers = self._powers(updates.read_value())
        super()._update_one(variable, momentum, velocity, grad, learning_rate, *powers, **options)


def clip_by_global_norm(grads, limit):
    """Scales all gradients down together so that their joint L2 norm is at most `limit`."""
    norm = tf.sqrt(2.0 * tf.add_n([tf.nn.l2_loss(tf.cast(grad, tf.float32)) for grad in grads]))
    scale = limit / tf.maximum(norm, limit)
    return [grad * tf.cast(scale, grad.dtype) for grad in grads]
