"""Writes adamw.npz: 20 steps of fine-tuning's recipe on a small problem, by torch.

Run with the peers' Python: `.venv-peers/bin/python tests/golden/make_adamw.py`.
A linear softmax classifier with a kernel and a bias, the whole batch every step: AdamW with weight decay on the kernel
only, gradients clipped to a global norm of 1, linear warm-up over 10 % of the steps and linear decay to 0. The targets
are far enough from the start for the clipping to bite at first and not at the end.

Epsilon is large enough to show where it is added: Keras adds it before the bias correction, torch after it, as
Kingma & Ba 2015 do in their algorithm 1.
"""

import pathlib

import numpy as np
import torch
import transformers

HERE = pathlib.Path(__file__).parent
STEPS, WARMUP_STEPS, LEARNING_RATE, WEIGHT_DECAY, CLIP_NORM, EPSILON = 20, 2, 0.3, 0.1, 1.0, 1e-3


def main():
    random = np.random.default_rng(3)
    features = random.normal(size=(12, 4)).astype("float32") * 3
    labels = random.integers(0, 3, 12)
    kernel = torch.nn.Parameter(torch.from_numpy(random.normal(size=(4, 3)).astype("float32")))
    bias = torch.nn.Parameter(torch.zeros(3))
    start = kernel.detach().numpy().copy()
    optimizer = torch.optim.AdamW(
        [{"params": [kernel], "weight_decay": WEIGHT_DECAY}, {"params": [bias], "weight_decay": 0.0}],
        lr=LEARNING_RATE,
        betas=(0.9, 0.999),
        eps=EPSILON,
    )
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, WARMUP_STEPS, STEPS)
    kernels, biases, norms, rates = [], [], [], []
    for _ in range(STEPS):
        optimizer.zero_grad()
        logits = torch.from_numpy(features) @ kernel + bias
        torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels)).backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_([kernel, bias], CLIP_NORM)))
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
        kernels.append(kernel.detach().numpy().copy())
        biases.append(bias.detach().numpy().copy())
    print("gradient norms", norms[0], norms[-1])
    np.savez_compressed(
        HERE / "adamw.npz",
        features=features,
        labels=labels.astype("int32"),
        start=start,
        kernels=np.stack(kernels),
        biases=np.stack(biases),
        learning_rates=np.asarray(rates, "float64"),
        steps=STEPS,
        warmup_steps=WARMUP_STEPS,
        peak_learning_rate=LEARNING_RATE,
        weight_decay=WEIGHT_DECAY,
        clip_norm=CLIP_NORM,
        epsilon=EPSILON,
    )


if __name__ == "__main__":
    main()
