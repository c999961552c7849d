"""JAX + Optax, SGD on the 1-d quadratic, batch size 1: python sgd_quadratic_jax.py PATHS STEPS (both cores, float64)."""

import sys
import time
from typing import Any

import jax
import jax.numpy as jnp
import optax

config: Any = jax.config
config.update("jax_enable_x64", True)
paths, steps = int(sys.argv[1]), int(sys.argv[2])
optimizer = optax.sgd(0.05)


def errors(key: Any) -> Any:
    def step(carry: Any, n: Any) -> Any:
        theta, state = carry
        x = jax.random.uniform(jax.random.fold_in(key, n), (paths,), minval=-1.0, maxval=1.0)
        updates, state = optimizer.update(2 * (theta - x), state, theta)
        theta = optax.apply_updates(theta, updates)
        return (theta, state), jnp.mean(theta**2)

    theta = jnp.zeros(paths)
    return jax.lax.scan(step, (theta, optimizer.init(theta)), jnp.arange(steps))[1]


run = jax.jit(errors)
for impl in ("rbg", "threefry2x32"):
    key = jax.random.key(0, impl=impl)
    run(key).block_until_ready()
    start = time.perf_counter()
    mse = run(key).block_until_ready()
    ns = (time.perf_counter() - start) / (paths * steps) * 1e9
    print(f"jax scan, {impl}: {ns:.2f} ns/path-step, E theta_T^2 = {float(mse[-1]):.6f}")
