"""Moves paths: from definitions bound to their numbers to the iterates of a block of paths.

Read `program` first (what is simulated), then `reference` (the same in plain NumPy), `moving` and `blocks`. The compiled
engine is `fused`, with one kernel for separable objectives (`separable`) and one for networks (`coupled`).
"""
