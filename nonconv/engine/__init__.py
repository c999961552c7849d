"""From a program and a range of paths to snapshots. `blocks` is the door; only `compiler` and what stands on it name numba."""
