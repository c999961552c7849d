"""JAX + Optax, Adam on the 100-d quadratic, batch 32: python batch_quadratic_jax.py PATHS STEPS (both cores, float64)."""

import sys
import time
from typing import Any

import jax
import jax.numpy as jnp
import optax

config: Any = jax.config
config.update("jax_enable_x64", True)
paths, steps = int(sys.argv[1]), int(sys.argv[2])
DIM, BATCH = 100, 32
optimizer = optax.adam(0.1)


def errors(key: Any) -> Any:
    def step(carry: Any, n: Any) -> Any:
        theta, state = carry
        x = jax.random.uniform(jax.random.fold_in(key, n), (BATCH, paths, DIM), minval=-1.0, maxval=1.0)
        updates, state = optimizer.update((2 * (theta - x)).mean(0), state, theta)
        theta = optax.apply_updates(theta, updates)
        return (theta, state), jnp.mean(jnp.sum(theta**2, axis=1))

    theta = jnp.zeros((paths, DIM))
    return jax.lax.scan(step, (theta, optimizer.init(theta)), jnp.arange(steps))[1]


run = jax.jit(errors)
for impl in ("rbg", "threefry2x32"):
    key = jax.random.key(0, impl=impl)
    run(key).block_until_ready()
    start = time.perf_counter()
    mse = run(key).block_until_ready()
    ns = (time.perf_counter() - start) / (paths * steps) * 1e9
    print(f"jax scan, {impl}: {ns:.1f} ns/path-step, E |theta_T|^2 = {float(mse[-1]):.6f}")
