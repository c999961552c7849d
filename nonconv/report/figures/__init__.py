"""Figures, made from the data files of a folder by another process.

`catalogue` lists which figures there are, without loading matplotlib; `drawing_process` is the other process, which
draws `at_once` in forks; `drawing` turns figures into files. `figures`, `floors_figure`, `network_figures` and
`orbit_figure` are of runs; `heat_maps` and `sweep_lines` of sweeps, on a `sweep_page`.
"""
