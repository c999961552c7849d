"""A laboratory of processes of known truth: how often is nonconv's verdict wrong, and how often do its intervals cover?

Each module `*_processes` is a part of the catalogue; `catalogue.PROCESSES` has them all. `trials` simulates and judges,
`tables` counts and writes, `coverage` measures intervals. docs/calibration.py is the command.
"""
