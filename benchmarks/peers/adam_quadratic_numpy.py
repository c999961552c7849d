"""NumPy, as one would write it, on the work of adam_quadratic.c: python adam_quadratic_numpy.py PATHS STEPS (one core)."""

import sys
import time

import numpy as np

paths, steps = int(sys.argv[1]), int(sys.argv[2])
rng = np.random.default_rng(0)
theta, m, v = np.zeros(paths), np.zeros(paths), np.zeros(paths)
mse = np.empty(steps)
start = time.perf_counter()
for n in range(1, steps + 1):
    g = 2 * (theta - rng.uniform(-1, 1, paths))
    m = 0.9 * m + (1 - 0.9) * g
    v = 0.999 * v + (1 - 0.999) * g**2
    theta = theta - 0.1 * (m / (1 - 0.9**n)) / (np.sqrt(v / (1 - 0.999**n)) + 1e-8)
    mse[n - 1] = np.mean(theta**2)
ns = (time.perf_counter() - start) / (paths * steps) * 1e9
print(f"numpy: {ns:.2f} ns/path-step, E theta_T^2 = {mse[-1]:.6f}")
