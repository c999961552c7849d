"""Grids of experiments: what their cells are, how they are computed here or on a cluster, and where they are stored.

    block       the `sweep:` block becomes a Grid          spacings    its evenly spaced values
    grid        axes, and the points on them
    sweep       a config with its grid; the survey that makes every cell once and finds all errors
    saved_survey  that of a large sweep, kept while it is unfinished       costs   how long a cell takes, roughly
    tasks       what a worker does: whole cells, or some blocks of a long one
    executors   where tasks run: processes, threads, Dask, SLURM, any executor
    flow        hands tasks out and takes results back in the order of the grid
    cells       each cell on disk                          table       the lines of sweep.csv
    loop        the whole of it                            estimate    how long it will take

A point is the values that one cell has; a cell is the experiment made from it; a job is a cell to compute; a task is one
job or several, of about equal length, for one worker.
"""

import sys

LOCAL_EXECUTORS = ("processes", "threads") if sys.platform == "linux" else ("threads",)
"""The default first. Processes are forks; other systems have none, or their libraries break in a fork."""
EXECUTORS = (*LOCAL_EXECUTORS, "dask", "submitit")
