# A training loop of your own, whose log is judged
#
# Type next:
#   python own_loop.py                                # writes own_loop.npz
#   nonconv judge own_loop.npz --minimizer -0.5       # undecided: nothing is declared
#   nonconv judge own_loop.npz --minimizer -0.5 --rate-limit 0.05 --noise persists

from pathlib import Path

import numpy as np

RUNS, STEPS, EVERY = 256, 5000, 50  # repetitions, steps, steps between two entries


def train(seed: int) -> list[float]:
    """Adam at a constant rate on (theta - x)^2 / 2. Put PyTorch, JAX or else in its place."""
    random = np.random.default_rng(seed)
    theta, m, v, log = 0.0, 0.0, 0.0, []
    for step in range(1, STEPS + 1):
        x = 1.0 if random.random() < 0.25 else -1.0
        gradient = theta - x
        m = 0.9 * m + 0.1 * gradient
        v = 0.999 * v + 0.001 * gradient**2
        theta -= 0.05 * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
        if step % EVERY == 0:
            log.append(theta)  # of several weights a list of them
    return log


theta = np.array([train(seed) for seed in range(RUNS)])  # (runs, entries, weights), or one weight
steps = np.arange(EVERY, STEPS + 1, EVERY)
np.savez(Path(__file__).with_suffix(".npz"), theta=theta, step=steps)
