"""PyTorch, SGD on the 1-d quadratic, batch size 1: python sgd_quadratic_torch.py PATHS STEPS (both cores, float64)."""

import sys
import time

import torch

torch.set_default_dtype(torch.float64)


def run(paths: int, steps: int) -> tuple[float, float]:
    """ns per path-step and E theta_T^2."""
    torch.manual_seed(0)
    theta = torch.zeros(paths, requires_grad=True)
    optimizer = torch.optim.SGD([theta], lr=0.05, fused=True)
    mse = torch.empty(steps)
    start = time.perf_counter()
    for n in range(steps):
        theta.grad = 2 * (theta.detach() - (2 * torch.rand(paths) - 1))
        optimizer.step()
        mse[n] = (theta.detach() ** 2).mean()
    return (time.perf_counter() - start) / (paths * steps) * 1e9, float(mse[-1])


run(int(sys.argv[1]), 10)
ns, error = run(int(sys.argv[1]), int(sys.argv[2]))
print(f"torch fused: {ns:.2f} ns/path-step, E theta_T^2 = {error:.6f}")
