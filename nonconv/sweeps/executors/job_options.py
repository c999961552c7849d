"""What `--executor-option` sets of submitit's jobs: its own names, the usual values, and what nonconv does not take."""

import re
from collections.abc import Mapping
from typing import Any

from nonconv.faults.errors import UsageError
from nonconv.faults.problems import nearest

USUAL = {"name": "nonconv", "timeout_min": 60, "cpus_per_task": 1}
"""A job has one thread. It is continued if it takes longer than an hour, by submitit, a few times."""
GENERAL = ("name", "timeout_min", "mem_gb", "cpus_per_task", "gpus_per_node", "stderr_to_stdout")
OWN = ("cluster", "folder")
"""Which cluster, slurm or local, and where the job folder is: both see it."""
OFFERED = (
    *OWN, *GENERAL, "slurm_partition", "slurm_account", "slurm_qos", "slurm_constraint", "slurm_exclude", "slurm_setup",
    "slurm_mem_per_cpu", "slurm_array_parallelism", "slurm_max_num_timeout", "slurm_signal_delay_s", "slurm_use_srun",
    "slurm_additional_parameters",
)  # fmt: skip
"""The names that are completed."""
SEVERAL = re.compile(r"(slurm_|local_)?(nodes|ntasks_per_node|tasks_per_node)")
"""They would make several processes compute the same task."""
MAKING = re.compile(r"[a-z]+_(max_num_timeout|max_pickle_size_gb|python)")
"""What submitit's executors are made with; other names are parameters of their jobs."""
CLUSTERS = ("slurm", "local")


def for_submitit(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what submitit's executor is made with. Raises UsageError for names that it does not know."""
    for name in options:
        if SEVERAL.fullmatch(name):
            raise UsageError(f"--executor-option {name}: a task has one process; more jobs run with --workers")
        if "_" not in name.strip("_") and name not in (*OWN, *GENERAL):
            _refuse(name)
        if name not in (*OWN, *GENERAL) and not name.startswith(("slurm_", "local_")):
            _refuse(name)
    cluster = options.get("cluster")
    if cluster not in (None, *CLUSTERS):
        raise UsageError(f"--executor-option cluster={cluster}: no cluster of nonconv's\n  allowed: {', '.join(CLUSTERS)}")
    folder = options.get("folder")
    if folder is not None and (not isinstance(folder, str) or not folder):
        raise UsageError(f"--executor-option folder={folder}: must be the name of a folder")
    return {name: value for name, value in options.items() if name == "cluster" or MAKING.fullmatch(name)}


def for_submission(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what submitit's jobs are submitted with."""
    return USUAL | {name: value for name, value in options.items() if name not in OWN and not MAKING.fullmatch(name)}


def _refuse(name: str) -> None:
    """Raise UsageError for a name that is none of submitit's."""
    near = nearest(name, OFFERED)
    hint = f"\n  did you mean {near}?" if near else ""
    raise UsageError(
        f"--executor-option {name}: submitit has no such parameter\n"
        f"  allowed: {', '.join((*OWN, *GENERAL))}, and slurm_..., as in slurm_partition{hint}"
    )
