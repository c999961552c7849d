"""JAX on the grid of configs/adam_betas.yaml: python adam_betas_jax.py PATHS STEPS (both cores, float64).

All cells at once, as arrays (cells, paths) that share their data; Adam written out, since Optax takes one beta for all.
"""

import sys
import time
from typing import Any

import jax
import jax.numpy as jnp

config: Any = jax.config
config.update("jax_enable_x64", True)
paths, steps = int(sys.argv[1]), int(sys.argv[2])
RATE, EPS, P_HIGH, MINIMIZER = 0.02, 1e-8, 0.25, -0.5
beta1, beta2 = (
    beta.reshape(-1, 1) for beta in jnp.meshgrid(jnp.linspace(0.0, 0.95, 20), 1.0 - jnp.logspace(-0.5, -3.5, 20), indexing="ij")
)
cells = len(beta1)


def errors(key: Any) -> Any:
    def step(carry: Any, n: Any) -> Any:
        theta, m, v = carry
        x = jnp.where(jax.random.uniform(jax.random.fold_in(key, n), (paths,)) < P_HIGH, 1.0, -1.0)
        g = 2.0 * (theta - x)
        m = beta1 * m + (1.0 - beta1) * g
        v = beta2 * v + (1.0 - beta2) * g * g
        theta = theta - RATE * (m / (1.0 - beta1**n)) / (jnp.sqrt(v / (1.0 - beta2**n)) + EPS)
        return (theta, m, v), None

    zero = jnp.zeros((cells, paths))
    (theta, _, _), _ = jax.lax.scan(step, (zero, zero, zero), jnp.arange(1.0, steps + 1.0))
    return jnp.mean((theta - MINIMIZER) ** 2, axis=1)


run = jax.jit(errors)
for impl in ("rbg", "threefry2x32"):
    key = jax.random.key(0, impl=impl)
    run(key).block_until_ready()
    start = time.perf_counter()
    mse = run(key).block_until_ready()
    ns = (time.perf_counter() - start) / (cells * paths * steps) * 1e9
    print(f"jax scan, {impl}: {ns:.2f} ns/path-step, E theta_T^2 = {float(mse[-1]):.6f}")
