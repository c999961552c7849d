"""nonconv against what one would run instead, alternating on this machine: python bench.py [--quick] [--rounds N]"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import sweeps
from measure import STEADY, Cost, Job, Speed, cost, processors, speeds
from report import Table, markdown, show
from rich.console import Console

HERE = Path(__file__).parent
RESULTS = HERE / "results.md"
GCC = ("gcc", "-O3", "-march=native", "-fno-math-errno", "-ffp-contract=off")
REPRODUCE = "`make bench`, on a machine with nothing else to do"
ROUNDS, STARTS = 5, 5

NONCONV, FLOORS, C, NUMPY = "nonconv", "nonconv, all floors", "C, gcc -O3", "NumPy over paths"
ALL_FLOORS = "floors={twin: true, window: true, cauchy: true}"
AVERAGED, POLYAK = "nonconv, Polyak average too", "iterates=[last, polyak]"
RBG, THREEFRY = "JAX scan, rbg", "JAX scan, threefry (default)"
VMAP, BATCHED = "JAX, vmap over paths", "PyTorch, batched products"
RECORDED, FEW_RECORDED = "nonconv, recorded as by default", "record.points=5"
FUSED, FOREACH = "PyTorch, fused", "PyTorch, foreach"


NETWORKS = ("mlp_adam_const", "mlp_digits", "mlp_diabetes")
"""Shipped configs of networks."""


class Size(NamedTuple):
    paths: int
    steps: int
    torch_steps: int

    def settings(self) -> tuple[str, ...]:
        return f"paths={self.paths}", f"steps={self.steps}"

    def arguments(self) -> tuple[str, ...]:
        return str(self.paths), str(self.steps)


class Target(NamedTuple):
    """What was measured against what was aimed at."""

    what: str
    measured: float
    bound: float
    unit: str
    at_least: bool = False

    @property
    def met(self) -> bool:
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound

    def row(self) -> tuple[str, ...]:
        sign = "≥" if self.at_least else "≤"
        return (
            self.what,
            f"{self.measured:.2f} {self.unit}",
            f"{sign} {self.bound:g} {self.unit}",
            "met" if self.met else "missed",
        )


# Jobs


def adam_jobs(size: Size, folder: Path) -> list[Job]:
    """Adam on the 1-d quadratic, batch size 1."""
    program = compiled("adam_quadratic", folder)
    return [
        *nonconv_jobs("adam_quadratic", size),
        *nonconv_jobs("adam_quadratic", size, FLOORS, ALL_FLOORS),
        *nonconv_jobs("adam_quadratic", size, AVERAGED, POLYAK),
        Job((C,), 1, size.steps, (program, *size.arguments()), without(program="gcc")),
        Job(
            (C,),
            2,
            size.steps,
            (sys.executable, str(HERE / "twice.py"), program, *size.arguments()),
            without(program="gcc", cores=2),
        ),
        python_job("adam_quadratic_numpy", (NUMPY,), size, cores=1),
        python_job("adam_quadratic_jax", (RBG, THREEFRY), size, "jax", "optax"),
        python_job("adam_quadratic_torch", (FUSED, FOREACH), size._replace(steps=size.torch_steps), "torch"),
    ]


def other_jobs(name: str, size: Size) -> list[Job]:
    """The peers of the smaller tables: JAX with both generators, PyTorch fused."""
    return [
        python_job(f"{name}_jax", (RBG, THREEFRY), size, "jax", "optax"),
        python_job(f"{name}_torch", (FUSED,), size._replace(steps=size.torch_steps), "torch"),
    ]


def network_jobs(name: str, widths: str, size: Size, *settings: str, batch: int = 8, peer_steps: int = 0) -> list[Job]:
    """Adam on a ReLU network for each path. peer_steps: JAX's, where fewer show as well what a step takes."""
    folder, modules, jax_steps = HERE / "peers", ("jax", "optax"), peer_steps or size.steps
    jobs = list(nonconv_jobs(name, size, NONCONV, *settings))
    for peer, program, steps, needs in (("jax", VMAP, jax_steps, modules), ("torch", BATCHED, size.torch_steps, ("torch",))):
        command = (sys.executable, str(folder / f"mlp_{peer}.py"), widths, str(size.paths), str(steps), str(batch))
        jobs.append(Job((program,), 2, steps, command, without(*needs, cores=2)))
    return jobs


def recording_jobs(size: Size) -> list[Job]:
    """Adam on a 20-64-64-5 network, few paths, which are recorded as usual and almost not."""
    return [*nonconv_jobs("mlp_large", size, RECORDED), *nonconv_jobs("mlp_large", size, NONCONV, FEW_RECORDED)]


def nonconv_jobs(name: str, size: Size, program: str = NONCONV, *settings: str) -> Iterator[Job]:
    for workers in (1, 2):
        command = (sys.executable, str(HERE / "nonconv_loop.py"), config(name), str(workers), *size.settings(), *settings)
        yield Job((program,), workers, size.steps, command, without(cores=workers))


def python_job(name: str, programs: tuple[str, ...], size: Size, *modules: str, cores: int = 2) -> Job:
    command = (sys.executable, str(HERE / "peers" / f"{name}.py"), *size.arguments())
    return Job(programs, cores, size.steps, command, without(*modules, cores=cores))


def compiled(name: str, folder: Path) -> str:
    """The path of a C peer's program, compiled if there is a compiler."""
    program = str(folder / name)
    if not without(program="gcc"):
        subprocess.run([*GCC, "-o", program, str(HERE / "peers" / f"{name}.c"), "-lm"], check=True)
    return program


def without(*modules: str, program: str = "", cores: int = 1) -> str:
    """Why something that needs these cannot run, or nothing."""
    if any(find_spec(module) is None for module in modules) or (program and not shutil.which(program)):
        return "not installed"
    return "" if cores <= processors() else f"needs {cores} cores"


def config(name: str) -> str:
    return str(HERE / "configs" / f"{name}.yaml")


# Tables


def speed_table(title: str, size: Size, found: Sequence[Speed]) -> Table:
    title = f"{title}, {size.paths} paths: ns per path-step"
    header = ("program", "cores", "steps", "median", "min - max", "/ nonconv", "E |θ_T|²")
    return Table(title, header, tuple(_speed_row(speed, found) for speed in found))


def _speed_row(speed: Speed, found: Sequence[Speed]) -> tuple[str, ...]:
    head = (speed.program, str(speed.cores), str(speed.steps))
    if speed.absent:
        return (*head, speed.absent, "", "", "")
    own = find(found, NONCONV, speed.cores)
    ratio = f"{speed.median / own.median:.2f}" if own else ""
    noisy = " (noisy)" if speed.spread > STEADY else ""
    return (*head, short(speed.median), f"{short(min(speed.times))} - {short(max(speed.times))}{noisy}", ratio, speed.check)


def short(number: float) -> str:
    """Two decimals where they can mean something."""
    return f"{number:.2f}" if number < 100 else f"{number:,.0f}"


def find(found: Sequence[Speed], program: str, cores: int) -> Speed | None:
    """What was measured of a program, if it was."""
    return next((s for s in found if (s.program, s.cores) == (program, cores) and s.times), None)


def unsteady(steady: Sequence[bool]) -> str:
    """A warning about programs whose rounds differ by more than they can be blamed for, or nothing."""
    noisy = len(steady) - sum(steady)
    if not noisy:
        return ""
    return (
        f"{noisy} of {len(steady)} programs, marked noisy, took more than {STEADY} times as long in one round as in another,"
        " also when they were measured again: the machine had other things to do. Do not trust their ratios."
    )


def speed_targets(found: Sequence[Speed]) -> Iterator[Target]:
    """The targets of the main table, as far as both sides were measured."""
    c, both, one, two = find(found, C, 1), find(found, C, 2), find(found, NONCONV, 1), find(found, NONCONV, 2)
    if c and one:
        yield Target("one core: time over hand-written C", one.median / c.median, 1.0, "×")
    if two is None:
        return
    if one:
        control = f" (two processes of C: {c.median / both.median:.2f} ×)" if c and both else ""
        yield Target(f"two cores: faster than one core{control}", one.median / two.median, 1.9, "×", at_least=True)
    floors = find(found, FLOORS, 2)
    if floors:
        yield Target("two cores: all floors over none", floors.median / two.median, 1.7, "×")
    averaged = find(found, AVERAGED, 1)
    if averaged and one:
        yield Target("one core: the Polyak average too over none", averaged.median / one.median, 1.25, "×")
    default, jax = find(found, THREEFRY, 2), [s.median for g in (RBG, THREEFRY) if (s := find(found, g, 2))]
    if default:
        yield Target("two cores: faster than JAX, default generator", default.median / two.median, 6.0, "×", at_least=True)
        yield Target("two cores: faster than JAX, fastest generator", min(jax) / two.median, 3.5, "×", at_least=True)
    if torch := find(found, FUSED, 2):
        yield Target("two cores: faster than PyTorch, fused", torch.median / two.median, 10.0, "×", at_least=True)


def network_targets(name: str, found: Sequence[Speed], jax: float, torch: float) -> Iterator[Target]:
    """How many times as fast as its peers a network is to be, as far as both sides were measured."""
    two = find(found, NONCONV, 2)
    for peer, bound in ((VMAP, jax), (BATCHED, torch)):
        if two and (theirs := find(found, peer, 2)):
            what = f"{name} network, two cores: faster than {peer}"
            yield Target(what, theirs.median / two.median, bound, "×", at_least=True)


def step_targets(found: Sequence[Speed], adam: Sequence[Speed]) -> Iterator[Target]:
    """What a step of the 20-64-64-5 network may take, in steps of one-dimensional Adam in C on the same core."""
    one, c = find(found, NONCONV, 1), find(adam, C, 1)
    if one and c:
        yield Target("20-64-64-5 network, one core: time over a step of C's Adam", one.median / c.median, 13_500 / 3.2, "×")


def recording_targets(found: Sequence[Speed]) -> Iterator[Target]:
    """What recording may cost, and what a second core is worth for few paths."""
    for cores in (1, 2):
        recorded, bare = find(found, RECORDED, cores), find(found, NONCONV, cores)
        if recorded and bare:
            what = f"20-64-64-5 network, 300 steps, {_cores(cores)}: recording over none"
            yield Target(what, recorded.median / bare.median, 1.3, "×")
    for program, told in ((RECORDED, "recorded"), (NONCONV, "5 recorded steps")):
        one, two = find(found, program, 1), find(found, program, 2)
        if one and two:
            what = f"20-64-64-5 network, 64 paths, {told}: two cores faster than one"
            yield Target(what, one.median / two.median, 1.7, "×", at_least=True)


def _cores(number: int) -> str:
    return "one core" if number == 1 else "two cores"


# Start-up and memory of the whole program


def nonconv() -> tuple[str, ...]:
    """How `nonconv` starts: the installed program, or the module."""
    program = Path(sys.executable).with_name("nonconv")
    return (str(program),) if program.exists() else (sys.executable, "-m", "nonconv")


def run_cost(folder: Path, name: str, *settings: str) -> Cost:
    """One whole `nonconv run`, figures included, into the folder."""
    shipped = HERE.parent / "configs" / f"{name}.yaml"
    chosen = (str(shipped), *settings) if name in NETWORKS else (config(name), ALL_FLOORS, *settings)
    changes = [word for setting in chosen[1:] for word in ("--set", setting)]
    return cost([*nonconv(), "run", chosen[0], *changes, "--force", "--out", str(folder)])


def start_up(folder: Path, starts: int) -> tuple[Table, list[Target]]:
    """Seconds until the program is done with little to do, the first time and from then on."""
    cost([*nonconv(), "--help"])
    usage = [cost([*nonconv(), "--help"]).seconds for _ in range(starts)]
    rows, targets = [("`nonconv --help`", *_spread(usage))], [Target("nonconv --help", statistics.median(usage), 0.25, "s")]
    # The quadratic last: its kernel is on disk where memory is measured next.
    small = dict.fromkeys(NETWORKS, ("paths=64", "steps=100")) | {"adam_quadratic": ("paths=1000", "steps=2000")}
    for name, size in small.items():
        os.environ["NONCONV_CACHE_DIR"] = str(folder / f"empty cache of {name}")
        first, *again = (run_cost(folder / "small", name, *size).seconds for _ in range(starts + 1))
        what = f"`nonconv run`, {name}, {size[0].split('=')[1]} paths × {size[1].split('=')[1]} steps"
        rows += [(f"{what}, the first time (compiles)", f"{first:.2f}", "", ""), (f"{what}, from then on", *_spread(again))]
        targets.append(Target(f"first start of {name}", first, 6.0 if name in NETWORKS else 2.0, "s"))
        targets.append(Target(f"later starts of {name}", statistics.median(again), 2.0, "s"))
    return Table("Start-up: seconds from start to end", ("command", "median", "min", "max"), tuple(rows)), targets


def _spread(seconds: list[float]) -> tuple[str, str, str]:
    return f"{statistics.median(seconds):.2f}", f"{min(seconds):.2f}", f"{max(seconds):.2f}"


def memory(folder: Path, factor: int) -> tuple[Table, list[Target]]:
    """Peak memory as paths or steps grow; the recorded steps are as many throughout."""
    paths, steps, few_steps, few_paths = 10_000, 1000, 200, 2000
    comparisons = {
        f"{paths:,} -> {factor * paths:,} paths of {few_steps} steps": [(k * paths, few_steps) for k in (1, factor)],
        f"{steps:,} -> {factor * steps:,} steps of {few_paths} paths": [(few_paths, k * steps) for k in (1, factor)],
    }
    rows, targets = [], []
    for what, sizes in comparisons.items():
        few, many = (peak(folder / "memory", *size) for size in sizes)
        rows.append((what, f"{few:.0f}", f"{many:.0f}", f"{many / few:.2f}"))
        targets += [Target(f"memory, {what}", many / few, 1.2, "×"), Target(f"memory, {what}", many, 400.0, "MB")]
    return Table("Memory: MB at the peak of `nonconv run`", ("from -> to", "before", "after", "ratio"), tuple(rows)), targets


def peak(folder: Path, paths: int, steps: int) -> float:
    """MB at the peak of a run with 100 recorded steps."""
    return run_cost(
        folder, "adam_quadratic", f"paths={paths}", f"steps={steps}", "record.points=100", "record.spacing=linear"
    ).megabytes


# All of it


class Plan(NamedTuple):
    """How much to measure. everything: the peers of the smaller tables too."""

    rounds: int
    starts: int
    memory_factor: int
    everything: bool
    adam: Size
    batch: Size
    sgd: Size
    small_network: Size
    large_network: Size
    few_paths: Size
    huge_network: Size
    sweep: sweeps.Size


FULL = Plan(
    ROUNDS,
    STARTS,
    100,
    True,
    Size(10_240, 20_000, 500),
    Size(1024, 25, 25),
    Size(10_240, 20_000, 300),
    Size(1024, 5000, 30),
    Size(256, 3000, 5),
    Size(64, 300, 5),
    Size(32, 50, 5),
    sweeps.Size(1000, 10_000, 500, 3),
)
QUICK = Plan(
    1,
    1,
    2,
    False,
    Size(1024, 200, 20),
    Size(104, 5, 5),
    Size(1024, 200, 20),
    Size(64, 20, 5),
    Size(16, 5, 5),
    Size(16, 5, 5),
    Size(8, 3, 3),
    sweeps.Size(64, 200, 20, 1),
)


def bench(plan: Plan, folder: Path, console: Console) -> tuple[list[Table], str]:
    """Measure everything, print each table when it is done; return them, the targets first, and a warning or nothing."""
    tables: list[Table] = []
    targets: list[Target] = []
    measured: list[Speed] = []
    for title, size, jobs in groups(plan, folder):
        console.print(title)
        found = speeds(jobs, plan.rounds, console.print)
        measured += found
        tables.append(speed_table(title, size, found))
        show(tables[-1], console)
        targets += speed_targets(found) if size is plan.adam else ()
        if size is plan.small_network:
            targets += network_targets("4-16-1", found, 5.0, 8.0)
        elif size is plan.large_network:
            targets += [*network_targets("20-64-64-5", found, 3.7, 5.0), *step_targets(found, measured)]
        elif size is plan.few_paths:
            targets += recording_targets(found)
        elif size is plan.huge_network:
            targets += network_targets("64-256-256-10", found, 1.0, 1.0)
    for table, more in (start_up(folder, plan.starts), memory(folder, plan.memory_factor)):
        tables.append(table)
        show(table, console)
        targets += more
    console.print("A sweep")
    sweep = sweeps.measured(plan.sweep, nonconv(), folder, os.environ, console.print)
    tables += sweep.tables
    show(sweep.tables[0], console)
    targets += [Target(*found) for found in sweep.targets]
    summary = Table("Targets", ("what", "measured", "target", ""), tuple(target.row() for target in targets))
    show(summary, console)
    return [summary, *tables], unsteady([*(speed.spread <= STEADY for speed in measured), *sweep.steady])


def groups(plan: Plan, folder: Path) -> Iterator[tuple[str, Size, list[Job]]]:
    """What is compared with each other."""
    yield "Adam, 1 dimension, batch size 1", plan.adam, adam_jobs(plan.adam, folder)
    others = (("Adam, 100 dimensions, batch size 32", plan.batch, "batch"), ("SGD, 1 dimension, batch size 1", plan.sgd, "sgd"))
    for title, size, name in others:
        own, peers = list(nonconv_jobs(f"{name}_quadratic", size)), other_jobs(f"{name}_quadratic", size)
        yield title, size, own + peers if plan.everything else own
    of_networks = (
        ("4-16-1 ReLU network, batch size 8", plan.small_network, network_jobs("mlp_small", "4-16-1", plan.small_network)),
        (
            "20-64-64-5 ReLU network, batch size 8, 5 recorded steps",
            plan.large_network,
            network_jobs("mlp_large", "20-64-64-5", plan.large_network, FEW_RECORDED, peer_steps=plan.few_paths.steps),
        ),
        ("20-64-64-5 ReLU network, batch size 8, recorded", plan.few_paths, recording_jobs(plan.few_paths)),
        (
            "64-256-256-10 ReLU network, batch size 32",
            plan.huge_network,
            network_jobs("mlp_huge", "64-256-256-10", plan.huge_network, batch=32),
        ),
    )
    for title, size, jobs in of_networks:
        yield f"Adam, {title}", size, jobs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke run, too small to mean anything; leaves results.md alone")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each program runs [default: %(default)s]")
    options = parser.parse_args()
    console = Console() if sys.stdout.isatty() else Console(width=110)
    with tempfile.TemporaryDirectory(prefix="nonconv-bench-") as folder:
        os.environ["NONCONV_CACHE_DIR"] = str(Path(folder, "cache"))
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # a second start finds bytecode on disk
        tables, warning = bench(QUICK if options.quick else FULL._replace(rounds=options.rounds), Path(folder), console)
    if options.quick:
        console.print("A smoke run: these numbers mean nothing.")
        return
    console.print(warning)
    RESULTS.write_text(markdown(tables, REPRODUCE, warning))


if __name__ == "__main__":
    main()
