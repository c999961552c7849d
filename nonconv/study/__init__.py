"""One run: a cell made ready, simulated block by block, published.

`ready` finds out what a cell needs before its first block; `loop` simulates and writes. A sweep uses both for its cells.
"""
