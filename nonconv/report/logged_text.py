"""What is said of trajectories that were logged elsewhere, in the place of an experiment that nonconv would know."""

from nonconv.report.run import Run
from nonconv.system.words import count


def is_logged(run: Run) -> bool:
    """Whether a run was logged elsewhere."""
    return "logged" in run.summary


def experiment(run: Run) -> str:
    """Describe the log: `a log of 200 steps from 100 on; declared: the learning rate tends to 0.01`."""
    log = run.summary["logged"]
    twins = "" if log["twins"] is None else f", with twins from step {log['twins']} on"
    known = f"declared: {log['declared']}" if log["declared"] else "nothing is declared of its limit"
    return f"a log of {count(log['steps'], 'step')} from {log['first']} on{twins}; {known}"
