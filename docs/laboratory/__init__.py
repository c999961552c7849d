"""A laboratory of processes of known truth: how often is nonconv's verdict wrong?

Each module `*_processes` is a part of the catalogue; `catalogue.PROCESSES` has them all. `trials` simulates and judges,
`tables` counts and writes. docs/calibration.py is the command; docs/interval_coverage.py does the same for intervals.
"""
