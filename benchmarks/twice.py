"""A peer's program in two processes at once, each with half of the paths: python twice.py PROGRAM PATHS STEPS

What a second processor is worth on this machine, without anything of nonconv.
"""

import subprocess
import sys

from measure import PRINTED


def main() -> None:
    program, paths, steps = sys.argv[1:]
    command = [program, str(int(paths) // 2), steps]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    found = [PRINTED.findall(child.communicate()[0])[0] for child in children]
    time, check = (sum(map(float, column)) / 2 for column in zip(*found, strict=True))
    print(f"{time / 2:.3f} ns/path-step, E |theta_T|^2 = {check:.6f}")


if __name__ == "__main__":
    main()
