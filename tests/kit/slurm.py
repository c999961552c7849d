"""A stand-in for SLURM's commands, which runs the jobs of an array as processes of this machine, two at a time."""

import os
import sys
from pathlib import Path

COMMANDS = ("sbatch", "srun", "sacct", "scancel")
SCRIPT = '''
import os, re, signal, subprocess, sys, time
from pathlib import Path

place, (command, *words) = Path(__file__).parent, (Path(sys.argv[0]).name, *sys.argv[1:])
with (place / "log").open("a") as log:
    log.write(f"{command} {' '.join(words)}\\n")

def run(script, number, first, size):
    """Run the jobs of an array, two at a time."""
    text = Path(script).read_text()
    left, running = [*range(size)], {}
    while left or running:
        for index, process in [*running.items()]:
            if process.poll() is not None:
                del running[index]
                (place / f"{number}_{index}").write_text("COMPLETED" if process.returncode == 0 else "NODE_FAIL")
        while left and len(running) < 2:
            index = left.pop(0)
            own = {"SLURM_JOB_ID": str(first + index), "SLURM_ARRAY_JOB_ID": str(number), "SLURM_ARRAY_TASK_ID": str(index)}
            own = own if "#SBATCH --array" in text else {"SLURM_JOB_ID": str(number)}
            running[index] = subprocess.Popen(["bash", script], env=os.environ | own)
        time.sleep(0.05)

if command == "sbatch":
    text = Path(words[0]).read_text()
    number = 1000 * (1 + len([*place.glob("job-*")]))
    array = re.search(r"--array=0-([0-9]+)", text)
    (place / f"job-{number}").write_text(text)
    nothing = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    size = str(int(array[1]) + 1 if array else 1)
    process = subprocess.Popen(
        [sys.executable, str(place / 'slurm.py'), 'run', words[0], str(number), size], start_new_session=True, **nothing
    )
    (place / f"pid-{number}").write_text(str(process.pid))
    if (place / "interrupt").exists():  # as a terminal does: whoever has submitted gets Ctrl-C as well
        for process in (os.getppid(), os.getpid()):
            os.kill(process, signal.SIGINT)
        time.sleep(0.2)
    print(f"Submitted batch job {number}")
elif command == "slurm.py":
    run(words[1], int(words[2]), int(words[2]) + 1, int(words[3]))
elif command == "srun":
    start = next(k for k, word in enumerate(words) if word.endswith("python") or "/python" in word)
    index = os.environ.get("SLURM_ARRAY_TASK_ID", "0")
    if (place / "fail").exists() and index == "0":
        (place / "fail").unlink()
        sys.exit(1)
    sys.exit(subprocess.call(words[start:]))
elif command == "sacct":
    print("JobID|State|NodeList")
    for path in place.glob("[0-9]*_*"):
        print(f"{path.name}|{path.read_text()}|here")
        print(f"{path.name.partition('_')[0]}|{path.read_text()}|here")
elif command == "scancel":
    for word in words:
        os.killpg(int((place / f"pid-{word}").read_text()), signal.SIGKILL)
'''


def installed(place: Path) -> str:
    """Put the commands into a folder; return a PATH that has them."""
    place.mkdir()
    (place / "slurm.py").write_text(SCRIPT)
    for command in COMMANDS:
        script = place / command
        script.write_text(f"#!{sys.executable}\n{SCRIPT}")
        script.chmod(0o755)
    return f"{place}{os.pathsep}{os.environ['PATH']}"
