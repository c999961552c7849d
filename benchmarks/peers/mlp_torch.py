"""PyTorch on the work of mlp_jax.py, batched products: python mlp_torch.py WIDTHS PATHS STEPS BATCH (both cores, float64)."""

import sys
import time
from itertools import pairwise
from typing import Any

import torch

torch.set_default_dtype(torch.float64)
widths, paths, steps = [int(width) for width in sys.argv[1].split("-")], int(sys.argv[2]), int(sys.argv[3])
BATCH, WARM_UP = int(sys.argv[4]), 5
torch.manual_seed(0)
teacher = torch.randn(widths[0], widths[-1]) / widths[0] ** 0.5


def parameters() -> list[Any]:
    """Weights and biases of each layer, a network a path."""
    made = []
    for inputs, outputs in pairwise(widths):
        made += [torch.randn(paths, inputs, outputs) * (2 / inputs) ** 0.5, torch.zeros(paths, 1, outputs)]
    return [part.requires_grad_() for part in made]


def target(x: Any) -> Any:
    return torch.sin(x.sum(-1, keepdim=True)) if widths[-1] == 1 else x @ teacher


def step(p: list[Any], optimizer: Any) -> None:
    x = torch.rand(paths, BATCH, widths[0])
    a = x
    for k in range(0, len(p), 2):
        a = a @ p[k] + p[k + 1]
        a = torch.relu(a) if k + 2 < len(p) else a
    optimizer.zero_grad()
    ((a - target(x)) ** 2).sum(-1).mean(1).sum().backward()
    optimizer.step()


def run(steps: int) -> tuple[float, float]:
    """Seconds and E |theta_T|^2."""
    p = parameters()
    optimizer = torch.optim.Adam(p, lr=1e-2, fused=True)
    start = time.perf_counter()
    for _ in range(steps):
        step(p, optimizer)
    return time.perf_counter() - start, float(sum((part.detach() ** 2).sum() for part in p)) / paths


run(WARM_UP)
seconds, square = run(steps)
print(f"torch batched: {seconds / (paths * steps) * 1e9:.1f} ns/path-step, E |theta_T|^2 = {square:.6f}")
