"""Writes optimizers.npz: 20 steps of LAMB, and of AdamW without bias correction, on a small problem.

Run with the peers' Python: `.venv-peers/bin/python tests/golden/make_optimizers.py`.
A linear softmax classifier with a kernel and a bias, the whole batch every step. Gradients are torch's, learning rates
those of transformers' polynomial schedule. No library here has either optimizer, so the updates are written out in
float64 from their sources: LAMB from algorithm 2 of You et al. (2020), with the identity for phi and plain Adam for the
bias, as its authors leave biases and LayerNorms out of the scaling; the other one from the description in Devlin et al.
(2019), A.2, and the published code: Adam's moments as they are, decoupled decay added to the update.
"""

import pathlib

import numpy as np
import torch
import transformers

HERE = pathlib.Path(__file__).parent
STEPS, WARMUP_STEPS, PEAK, END, POWER = 20, 3, 0.05, 0.01, 0.5
WEIGHT_DECAY, EPSILON, BETA_1, BETA_2 = 0.1, 1e-3, 0.9, 0.999


def main():
    random = np.random.default_rng(5)
    features = random.normal(size=(12, 4)).astype("float32")
    labels = random.integers(0, 3, 12).astype("int32")
    start = random.normal(size=(4, 3)).astype("float32")
    rates = learning_rates()
    found = {}
    for name, update in (("lamb", lamb), ("adamw_uncorrected", adamw_uncorrected)):
        found[f"{name}_kernels"], found[f"{name}_biases"] = train(update, features, labels, start, rates)
    np.savez_compressed(
        HERE / "optimizers.npz",
        features=features,
        labels=labels,
        start=start,
        learning_rates=rates,
        steps=STEPS,
        warmup_steps=WARMUP_STEPS,
        peak=PEAK,
        end=END,
        power=POWER,
        weight_decay=WEIGHT_DECAY,
        epsilon=EPSILON,
        **found,
    )


def learning_rates():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK)
    schedule = transformers.get_polynomial_decay_schedule_with_warmup(
        optimizer, WARMUP_STEPS, STEPS, lr_end=END, power=POWER
    )
    rates = []
    for _ in range(STEPS):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    return np.asarray(rates)


def train(update, features, labels, start, rates):
    weights = [start.astype("float64"), np.zeros(3)]
    moments = [(np.zeros_like(weight), np.zeros_like(weight)) for weight in weights]
    kernels, biases = [], []
    for step in range(STEPS):
        for index, gradient in enumerate(gradients(weights, features, labels)):
            mean, square = moments[index]
            mean, square = BETA_1 * mean + (1 - BETA_1) * gradient, BETA_2 * square + (1 - BETA_2) * gradient**2
            moments[index] = mean, square
            weights[index] = weights[index] - rates[step] * update(weights[index], mean, square, step + 1, index == 1)
        kernels.append(weights[0].astype("float32"))
        biases.append(weights[1].astype("float32"))
    return np.stack(kernels), np.stack(biases)


def lamb(weight, mean, square, step, is_bias):
    adam = (mean / (1 - BETA_1**step)) / (np.sqrt(square / (1 - BETA_2**step)) + EPSILON)
    if is_bias:
        return adam
    direction = adam + WEIGHT_DECAY * weight
    return np.linalg.norm(weight) / np.linalg.norm(direction) * direction


def adamw_uncorrected(weight, mean, square, step, is_bias):
    return mean / (np.sqrt(square) + EPSILON) + (0 if is_bias else WEIGHT_DECAY * weight)


def gradients(weights, features, labels):
    kernel, bias = (torch.tensor(weight, requires_grad=True) for weight in weights)
    logits = torch.from_numpy(features).double() @ kernel + bias
    torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels).long()).backward()
    return kernel.grad.numpy(), bias.grad.numpy()


if __name__ == "__main__":
    main()
