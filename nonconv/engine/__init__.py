"""From a program and a range of paths to snapshots. `blocks` is the entry; only `compiler` and its users import numba."""
