"""Where tasks run. All executors give the same results.

    protocol    what an executor is                         processes   forks of the command, the default on Linux
    remote      a sweep as it is sent to other machines      threads     of this process, where it cannot be forked
    dask        the workers of a Dask cluster                futures     any concurrent.futures.Executor
    named       one that a user names: MODULE:FACTORY        choice      which one a user has chosen
    watch       workers that were killed without their pool noticing

An executor has `submit(task)`, which returns a future. A worker returns a cell's files as bytes, and the command writes
them, so a cluster needs no disk in common with it.
"""
