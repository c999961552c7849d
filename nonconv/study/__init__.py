"""One run: a cell made ready, simulated block by block, published."""
