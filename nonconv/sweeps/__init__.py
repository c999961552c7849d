"""Grids of experiments: what their cells are, how they are computed here or on a cluster, where each lands."""
