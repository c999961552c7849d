"""From a program and a range of paths to snapshots. `blocks` is the door; `fused` is the only file that names numba."""
