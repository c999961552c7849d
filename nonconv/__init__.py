"""nonconv: does this optimizer converge? Seeded sweeps over thousands of paths, with intervals and pictures."""

__version__ = "0.2.0"
