"""Grids of experiments: what their cells are, how they are computed here or on a cluster, and where they are stored."""
