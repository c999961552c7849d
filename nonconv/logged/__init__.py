"""Trajectories that other programs logged: read, measured and judged by the rules for nonconv's own runs."""
