"""PyTorch, Adam on the 100-d quadratic, batch 32: python batch_quadratic_torch.py PATHS STEPS (both cores, float64)."""

import sys
import time

import torch

torch.set_default_dtype(torch.float64)
DIM, BATCH = 100, 32


def run(paths: int, steps: int) -> tuple[float, float]:
    """ns per path-step and E |theta_T|^2."""
    torch.manual_seed(0)
    theta = torch.zeros(paths, DIM, requires_grad=True)
    optimizer = torch.optim.Adam([theta], lr=0.1, fused=True)
    mse = torch.empty(steps)
    start = time.perf_counter()
    for n in range(steps):
        x = 2 * torch.rand(BATCH, paths, DIM) - 1
        theta.grad = (2 * (theta.detach() - x)).mean(0)
        optimizer.step()
        mse[n] = (theta.detach() ** 2).sum(1).mean()
    return (time.perf_counter() - start) / (paths * steps) * 1e9, float(mse[-1])


run(int(sys.argv[1]), 2)
ns, error = run(int(sys.argv[1]), int(sys.argv[2]))
print(f"torch fused: {ns:.1f} ns/path-step, E |theta_T|^2 = {error:.6f}")
