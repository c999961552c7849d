"""JAX + Optax: Adam on ReLU networks, one a path, python mlp_jax.py WIDTHS PATHS STEPS BATCH (both cores, float64)."""

import sys
import time
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import optax

config: Any = jax.config
config.update("jax_enable_x64", True)
widths, paths, steps = [int(width) for width in sys.argv[1].split("-")], int(sys.argv[2]), int(sys.argv[3])
BATCH = int(sys.argv[4])
optimizer = optax.adam(1e-2)
teacher = jax.random.normal(jax.random.key(1), (widths[0], widths[-1])) / widths[0] ** 0.5


def network(p: Any, a: Any) -> Any:
    for k, (weight, bias) in enumerate(p):
        a = a @ weight + bias
        a = jax.nn.relu(a) if k + 1 < len(p) else a
    return a


def target(x: Any) -> Any:
    return jnp.sin(x.sum(1, keepdims=True)) if widths[-1] == 1 else x @ teacher


def loss(p: Any, x: Any) -> Any:
    return jnp.mean(((network(p, x) - target(x)) ** 2).sum(1))


def one(key: Any) -> Any:
    """|theta_T|^2 of one path."""
    of_start, of_data = jax.random.split(key)
    keys = jax.random.split(of_start, len(widths))
    sizes = zip(keys, pairwise(widths), strict=False)
    p = [(jax.random.normal(k, (i, o)) * (2 / i) ** 0.5, jnp.zeros(o)) for k, (i, o) in sizes]

    def step(carry: Any, n: Any) -> Any:
        p, state = carry
        x = jax.random.uniform(jax.random.fold_in(of_data, n), (BATCH, widths[0]))
        updates, state = optimizer.update(jax.grad(loss)(p, x), state, p)
        return (optax.apply_updates(p, updates), state), None

    p = jax.lax.scan(step, (p, optimizer.init(p)), jnp.arange(steps))[0][0]
    return sum(jnp.sum(part**2) for part in jax.tree.leaves(p))


run = jax.jit(jax.vmap(one))
keys = jax.random.split(jax.random.key(0), paths)
run(keys).block_until_ready()
start = time.perf_counter()
square = run(keys).block_until_ready()
ns = (time.perf_counter() - start) / (paths * steps) * 1e9
print(f"jax vmap: {ns:.1f} ns/path-step, E |theta_T|^2 = {float(square.mean()):.6f}")
