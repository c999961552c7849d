"""PyTorch on the work of adam_quadratic.c: python adam_quadratic_torch.py PATHS STEPS (both cores, float64)."""

import sys
import time
from typing import Any

import torch

torch.set_default_dtype(torch.float64)


def run(kind: str, paths: int, steps: int) -> tuple[float, float]:
    """ns per path-step and E theta_T^2."""
    torch.manual_seed(0)
    theta = torch.zeros(paths, requires_grad=True)
    options: dict[str, Any] = {kind: True}
    optimizer = torch.optim.Adam([theta], lr=0.1, **options)
    mse = torch.empty(steps)
    start = time.perf_counter()
    for n in range(steps):
        theta.grad = 2 * (theta.detach() - (2 * torch.rand(paths) - 1))
        optimizer.step()
        mse[n] = (theta.detach() ** 2).mean()
    return (time.perf_counter() - start) / (paths * steps) * 1e9, float(mse[-1])


for kind in ("fused", "foreach"):
    run(kind, int(sys.argv[1]), 10)
    ns, error = run(kind, int(sys.argv[1]), int(sys.argv[2]))
    print(f"torch {kind}: {ns:.2f} ns/path-step, E theta_T^2 = {error:.6f}")
