"""Where tasks run. All executors give the same results.

    protocol    what an executor is                         processes   forks of the command, the default on Linux
    remote      a sweep as it is sent to other machines      threads     of this process, where it cannot be forked
    dask        the workers of a Dask cluster                futures     any concurrent.futures.Executor
    named       one that a user names: MODULE:FACTORY        choice      which one a user has chosen
    submitit    jobs of SLURM                                jobs        what a job does
    watch       workers that their pool does not miss        job_options what a user may set of jobs

An executor has `submit(task)`, which returns a future. A worker returns a cell's files as bytes, and the command writes
them, so a cluster needs no disk in common with it.
"""
