"""Helpers of definitions and statistics: the lowest room, which imports nothing of the package.

`arithmetic` and `elementary` are the functions that definitions may call, `rng` the random numbers, `normal` and
`student` quantiles, `moments` sums that merge.
"""
