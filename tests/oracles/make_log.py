"""Writes configs/data/adam_torch.npz: PyTorch's Adam on the process of configs/adam_const.yaml, logged every 100 steps.

`pip install torch`, then `python tests/oracles/make_log.py`; it takes some minutes. The loop is that of docs/judge.md, which
tests/test_judge.py holds to this file. tests/test_judge.py also compares what nonconv makes of the file with its own run.
"""

from pathlib import Path

import numpy as np
import torch

SEEDS, STEPS, EVERY = 256, 10_000, 100


def train(seed: int) -> list[float]:
    """Return the weight after every 100 steps."""
    # begin: the loop
    torch.manual_seed(seed)
    theta = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([theta], lr=0.05)
    logged = []
    for step in range(1, STEPS + 1):
        x = 1.0 if torch.rand(()) < 0.25 else -1.0
        loss = (theta - x) ** 2 / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % EVERY == 0:
            logged.append(theta.item())
    # end: the loop
    return logged


if __name__ == "__main__":
    theta = np.array([train(seed) for seed in range(SEEDS)])
    step = np.arange(EVERY, STEPS + 1, EVERY)
    target = Path(__file__).parents[2] / "configs" / "data" / "adam_torch.npz"
    np.savez_compressed(target, theta=theta.astype(np.float32), step=step)
