"""Whatever runs a sweep's tasks gives the same bytes, and loses nothing that is computed when workers are lost."""

import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, closing, nullcontext
from functools import partial
from multiprocessing import active_children, get_all_start_methods, get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import nonconv
from kit import slurm
from kit.experiments import BLOCK, CSV
from kit.processes import wait_until
from kit.runs import contents
from kit.sweeping import (
    ALONE,
    BUNDLED,
    CONFIGS,
    GRID,
    IN_PARTS,
    PATHS,
    SMALL,
    call,
    config_file,
    drawn,
    files_of,
    found,
    interrupt_at,
    outcome,
    run,
    whole_cells,
)
from nonconv.cli.shortage import shortage
from nonconv.engine import blocks, compiler, kernel_files, separable
from nonconv.faults.errors import Interrupted, UsageError
from nonconv.report.figures import drawing_process
from nonconv.store.folder import MANIFEST
from nonconv.store.formats import packed
from nonconv.store.pack import CELLS_FOLDER
from nonconv.sweeps import EXECUTORS, LOCAL_EXECUTORS, costs, same_code, tasks
from nonconv.sweeps.executors import dask, futures, jobs, named, processes, protocol, remote, threads, watch
from nonconv.sweeps.executors.choice import Choice, check, opener, read_options
from nonconv.sweeps.executors.processes import Processes
from nonconv.sweeps.executors.submitit import JOBS_FOLDER, Jobs, open_jobs
from nonconv.sweeps.executors.threads import Threads
from nonconv.sweeps.flow import Event
from nonconv.sweeps.loop import Outcome, run_sweep

pytestmark = pytest.mark.slow  # whole sweeps


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "LARGEST_BLOCK", BLOCK)


@pytest.fixture
def lasting(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets how long a task on this machine should last."""

    def set_all(seconds: float) -> None:
        for kind in (Threads, Processes):
            monkeypatch.setattr(kind, "seconds", seconds)

    return set_all


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return config_file(tmp_path / "in", GRID)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return config_file(tmp_path / "small", SMALL)


@pytest.fixture
def _stubbed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is drawn, and signals stay as they were."""
    monkeypatch.setattr(drawing_process, "figure_process", lambda: nullcontext(drawn))
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("name", CONFIGS)
def test_bytes_depend_neither_on_threads_nor_on_how_work_is_cut(
    tmp_path: Path, lasting: Callable[[float], None], name: str
) -> None:
    path = config_file(tmp_path / "in", CONFIGS[name])
    expected = run(path, tmp_path / "1", workers=1)
    assert {"sweep.csv", "sweep.json", "summary.md", "config.yaml", "figures/stub.png"} <= set(expected)
    for workers, seconds in ((2, ALONE), (3, IN_PARTS), (1, IN_PARTS), (2, BUNDLED)):
        lasting(seconds)
        assert run(path, tmp_path / f"{workers} {seconds}", workers=workers) == expected
    assert run(path, tmp_path / "1", force=True) == expected


POOL = "concurrent.futures:ProcessPoolExecutor"
where_it_forks = pytest.mark.skipif(EXECUTORS[0] != "processes", reason="no forks here")


forking = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
"""The test runner has threads when it is forked, as the command has not."""


@pytest.mark.processes
@where_it_forks
@forking
@pytest.mark.parametrize("name", CONFIGS)
def test_processes_give_the_same_bytes(tmp_path: Path, lasting: Callable[[float], None], name: str) -> None:
    path = config_file(tmp_path / "in", CONFIGS[name])
    expected = run(path, tmp_path / "threads")
    for workers, seconds in ((2, ALONE), (3, IN_PARTS), (1, BUNDLED)):
        lasting(seconds)
        assert run(path, tmp_path / f"{workers} {seconds}", workers=workers, kind=processes.open_processes) == expected


@pytest.mark.processes
@where_it_forks
@forking
def test_processes_compile_a_kernel_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: Path) -> None:
    monkeypatch.setenv("NONCONV_CACHE_DIR", str(tmp_path / "cache"))
    log, machine_code = tmp_path / "log", compiler.machine_code

    def noted(name: str, text: str, definitions: Any, kinds: Any) -> Any:
        with log.open("a") as file:
            file.write(f"{kernel_files.kernel_name(text, definitions)}\n")
        return machine_code(name, text, definitions, kinds)

    monkeypatch.setattr(compiler, "machine_code", noted)
    monkeypatch.setattr(processes.Processes, "seconds", ALONE)
    separable.kernel.cache_clear()
    run(config, tmp_path / "out", kind=processes.open_processes, workers=4)
    made = log.read_text().split()
    assert len(made) == len(set(made)) == 2, "of SGD and of Adam"


AT_STEP = "def at_step(h, n):\n"


def lion_with_a_table() -> str:
    """The plug-in of the docs, whose numbers per step are a function's."""
    text = (Path(nonconv.__file__).parents[1] / "docs" / "plugins" / "lion.py").read_text(encoding="utf-8")
    columns = "    return Lion(0.0 * n + h.beta1, 0.0 * n + h.beta2)\n\n\n"
    text = text.replace("OPTIMIZERS.register(", f"{AT_STEP}{columns}OPTIMIZERS.register(")
    return text.replace("update=update", "update=update, at_step=at_step")


def config_with_a_failing_cell(folder: Path, statement: str) -> Path:
    """A sweep of two cells with a plug-in, which does this in the first one."""
    fails = f"{AT_STEP}    if n[0] == 1.0 and h.beta1 == 0.5:\n        {statement}\n"
    (folder / "lion.py").write_text(lion_with_a_table().replace(AT_STEP, fails), encoding="utf-8")
    swept = {"plugins": ["lion.py"], "optimizer": "my_lion", "sweep": {"optimizer.beta1": [0.5, 0.9]}}
    return config_file(folder, SMALL | swept)


@pytest.mark.usefixtures("_stubbed")
@pytest.mark.parametrize("statement", ['raise ValueError("no")', "raise SystemExit(7)"])
def test_a_cell_whose_plugin_raises_costs_nothing_in_a_dry_run(tmp_path: Path, statement: str) -> None:
    path = config_with_a_failing_cell(tmp_path, statement)
    left = json.loads(call("sweep", path, "-o", "out", "--dry-run", "--json").stdout)
    assert (left["done"], 2 * left["path_steps_left"]) == (0, left["path_steps"])


@pytest.mark.processes
@pytest.mark.parametrize("kind", [*LOCAL_EXECUTORS, POOL])
def test_a_plugin_that_exits_fails_its_cell_and_prints_into_no_document(tmp_path: Path, kind: str) -> None:
    path = config_with_a_failing_cell(tmp_path, 'print("bye"); raise SystemExit(7)')
    command = [sys.executable, "-m", "nonconv", "sweep", str(path), "-o", str(tmp_path / "out"), "--executor", kind, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 5, done.stderr
    (reason,) = json.loads(done.stdout[done.stdout.index("{") :])["failures"].values()
    assert "SystemExit: 7" in reason
    assert kind == "threads" or (done.stdout[0], set(done.stderr.split())) == ("{", {"bye"})


@pytest.mark.processes
@where_it_forks
@forking
def test_a_killed_worker_is_told_and_costs_nothing_that_is_saved(
    tmp_path: Path, config: Path, lasting: Callable[[float], None]
) -> None:
    lasting(ALONE)

    def kill(event: Event) -> None:
        for process in active_children():
            os.kill(int(process.pid or 0), signal.SIGKILL)

    with pytest.raises(UsageError) as refusal:
        outcome(config, tmp_path / "out", on_event=kill, kind=processes.open_processes)
    assert str(refusal.value) == (
        "A worker process died (out of memory, or a plug-in ended it). "
        "Finished cells are saved; run the same command to continue."
    )
    saved = len(whole_cells(tmp_path / "out"))
    assert 0 < saved < 6
    done = outcome(config, tmp_path / "out", kind=processes.open_processes)
    assert (done.computed, done.reused) == (6 - saved, saved)
    assert contents(tmp_path / "out") == run(config, tmp_path / "undisturbed")


@pytest.mark.processes
@pytest.mark.filterwarnings("ignore")  # the library's own
def test_a_cluster_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of bundled cells and cells in parts, with a data file."""
    pytest.importorskip("distributed")
    monkeypatch.undo()  # workers are other processes, whose blocks have the usual size
    monkeypatch.chdir(tmp_path)
    path = config_file(Path("in"), CSV | {"paths": 600, "sweep": {"steps": [20, 40, 4000], "batch_size": [1, 2]}})
    expected = run(path, Path("threads"))
    sweep, surveyed = found(path)
    payload = remote.pack_sweep(sweep, {name: file.content for name, file in surveyed.files.items()})
    monkeypatch.setattr(dask.Cluster, "seconds", 3 * min(costs.estimate_seconds(sweep.cell(point)) for point in sweep.points()))
    seen: set[type] = set()
    blocked: set[bool] = set()
    submit = dask.Cluster.submit

    def noted(cluster: dask.Cluster, task: tasks.Task) -> "Future[Any]":
        seen.add(type(task))
        if not blocked:
            blocked.update(cluster.client.run(lambda: signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())).values())
        return submit(cluster, task)

    monkeypatch.setattr(dask.Cluster, "submit", noted)
    make = partial(dask.open_cluster, payload, None, 2)
    assert run_sweep(sweep, surveyed, Path("dask"), make, draw=drawn).computed == 6
    assert seen == {tasks.CellsTask, tasks.BlocksTask}
    assert contents(Path("dask")) == expected
    assert blocked == {True}, "Ctrl-C would reach workers, which would print tracebacks"


def scale(local: Any, workers: int) -> None:
    """Start or end workers of a local cluster."""
    local.scale(workers)
    wait_until(lambda: len(local.scheduler.workers) == workers)


@pytest.mark.processes
@pytest.mark.filterwarnings("ignore")  # the library's own
def test_a_cluster_has_tasks_for_workers_that_come_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distributed: Any = pytest.importorskip("distributed")
    payload = remote.pack_sweep(found(config_file(tmp_path / "in", SMALL))[0], {})
    with (
        distributed.LocalCluster(1, processes=False, threads_per_worker=1, dashboard_address=None, protocol="tcp") as local,
        dask.open_cluster(payload, local.scheduler_address, 1) as cluster,
    ):
        assert cluster.waiting == protocol.TASKS_PER_WORKER
        monkeypatch.setattr(dask, "LOOKING_SECONDS", 0.0)
        for workers in (3, 2):
            scale(local, workers)
            assert cluster.waiting == workers * protocol.TASKS_PER_WORKER
        scale(local, 0)
        assert cluster.waiting == 2 * protocol.TASKS_PER_WORKER, "a new one is waited for elsewhere"


@pytest.mark.processes
@pytest.mark.filterwarnings("ignore")  # the library's own
def test_a_cluster_that_loses_all_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks go to a new one; without one, or if tasks lose them again and again, that is told, and waited for a while."""
    distributed: Any = pytest.importorskip("distributed")
    sweep, surveyed = found(config_file(tmp_path / "in", SMALL))
    task = tasks.CellsTask(tuple(tasks.CellJob(*order, None) for order in zip(surveyed.ids, sweep.points(), strict=True)))
    monkeypatch.setattr(dask, "TELLING_SECONDS", 0.1)
    monkeypatch.setattr(dask, "LOOKING_SECONDS", 0.1)
    told: list[str] = []
    with (
        distributed.LocalCluster(1, processes=False, threads_per_worker=1, dashboard_address=None, protocol="tcp") as local,
        dask.open_cluster(remote.pack_sweep(sweep, {}), local.scheduler_address, 1, told.append) as cluster,
    ):
        expected = [done.files for done in cluster.submit(task).result()]
        scale(local, 0)
        later = cluster.submit(task)
        local.scale(1)
        assert [done.files for done in later.result()] == expected
        scale(local, 0)
        monkeypatch.setattr(dask, "WORKER_SECONDS", 0.5)
        for _ in range(dask.MOST_LOSSES):
            with pytest.raises(protocol.Lost, match=r"^The Dask scheduler has no worker left; 0 s were waited.$"):
                cluster.submit(task).result()
        assert told[-1] == "The Dask scheduler has no worker left. Waiting for a worker, for at most 0 s."
        with pytest.raises(protocol.Lost, match=r"^All workers of the Dask cluster were lost 4 times without a result.$"):
            cluster.submit(task).result()


@pytest.mark.processes
@where_it_forks
@forking
def test_a_killed_worker_is_noticed_where_its_pool_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool waits forever for the end of a result that a worker was killed in writing."""
    monkeypatch.setattr(watch, "LOOKING_SECONDS", 0.05)
    workers = [get_context("fork").Process(target=wait_until, args=(bool,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    own = watch.Watch(workers)
    workers[0].kill()
    with pytest.raises(BrokenExecutor, match="a worker was killed"):
        own.result(Future())
    own.end()
    workers[1].join(10)
    assert workers[1].exitcode == -signal.SIGKILL


@pytest.mark.processes
@where_it_forks
@forking
@pytest.mark.parametrize("kind", ["processes", POOL])
def test_processes_of_the_calling_program_are_none_of_its_workers(small: Path, kind: str) -> None:
    own = get_context("fork").Process(target=wait_until, args=(bool,))
    own.start()
    try:
        with opened(small, kind, 2)() as executor:
            assert executor.watch.workers == {*active_children()} - {own}
            assert executor.watch.workers
            executor.watch.end()
        assert own.is_alive()
    finally:
        own.kill()
        own.join()


def write_half_a_result(queue: Any) -> None:
    """Write the length of a result and nothing else, and be killed."""
    os.write(queue._writer.fileno(), (1000).to_bytes(4, "big"))
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.processes
@where_it_forks
@forking
def test_the_thread_of_a_pool_ends_though_a_result_is_half_written() -> None:
    """Python waits for it as it exits. A control: it does not end by itself."""
    pool: Any = ProcessPoolExecutor(1, get_context("fork"))
    pool.submit(int).result()
    own, thread = watch.Watch(pool._processes.values()), pool._executor_manager_thread
    worker = get_context("fork").Process(target=write_half_a_result, args=(pool._result_queue,))
    worker.start()
    worker.join(10)
    own.end()
    thread.join(0.5)
    assert thread.is_alive()
    watch.shut_down(pool)
    thread.join(10)
    assert not thread.is_alive()


# Any executor of the standard library's interface


def opened(path: Path, *choice: Any, tell: Callable[[str], None] = lambda text: None, **options: Any) -> Any:
    """What opens an executor for the sweep of a config file."""
    sweep, surveyed = found(path)
    return opener(Choice(*choice, **options), sweep, surveyed, path.parent / "nowhere", tell)


@pytest.mark.processes
@where_it_forks
@forking
@pytest.mark.parametrize("name", ["names and numbers", "paths by need", "files", "a failing cell"])
@pytest.mark.parametrize("kind", [POOL, "concurrent.futures:ThreadPoolExecutor"])
def test_any_executor_gives_the_same_bytes(tmp_path: Path, kind: str, name: str) -> None:
    path = config_file(tmp_path / "in", CONFIGS[name])
    expected = run(path, tmp_path / "threads")
    for seconds in (IN_PARTS, ALONE, None):
        out = tmp_path / str(seconds)
        assert run(path, out, executor=opened(path, kind, 2, seconds=seconds)) == expected


@pytest.mark.processes
@where_it_forks
@forking
def test_an_executor_whose_workers_are_killed_is_made_again(tmp_path: Path, config: Path) -> None:
    """A few times; then the sweep ends, and the same command continues it."""
    told: list[str] = []
    left = [2]

    def kill(event: Event) -> None:
        left[0] -= 1
        if left[0] >= 0:
            for process in active_children():
                os.kill(int(process.pid or 0), signal.SIGKILL)

    def sweep(out: str, times: int) -> Outcome:
        left[0] = times
        made = opened(config, POOL, 2, seconds=IN_PARTS, tell=told.append)
        return outcome(config, tmp_path / out, executor=made, on_event=kill)

    assert sweep("few", 2).computed == 6
    assert set(told) == {"A worker process died; its executor is started again."}
    assert contents(tmp_path / "few") == run(config, tmp_path / "undisturbed")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(futures, "MOST_LOSSES", 0)
        with pytest.raises(UsageError, match=r"^A worker process died \(out of memory, .* to continue\.$") as refusal:
            sweep("out", 1)
    assert not shortage(refusal.value), "its own words are no evidence"
    wait_until(lambda: not active_children())
    outcome(config, tmp_path / "out", executor=opened(config, POOL, 1))
    assert contents(tmp_path / "out") == contents(tmp_path / "few")


def test_an_executor_that_is_given_stays_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing_process, "figure_process", lambda: nullcontext(drawn))
    with ThreadPoolExecutor(2) as pool:
        first = nonconv.sweep(SMALL, out=tmp_path / "first", name="experiment", executor=pool, task_seconds=ALONE)
        assert first.failures == {}
        assert pool.submit(int).result() == 0
    with pytest.raises(
        UsageError, match=r"^the executor: a worker does not say which nonconv it runs \(RuntimeError: cannot sched"
    ):
        nonconv.sweep(SMALL, out=tmp_path / "second", executor=pool)
    assert contents(tmp_path / "first") == run(
        config_file(tmp_path / "in", SMALL), tmp_path / "again", kind=threads.open_threads
    )


def test_an_executor_with_other_code_or_one_that_ends_is_refused(tmp_path: Path, small: Path) -> None:
    class Ending(ThreadPoolExecutor):
        """It takes this many tasks."""

        def __init__(self, tasks: int, there: dict[str, str] | None = None) -> None:
            super().__init__(1)
            self.tasks, self.there = tasks, there

        def submit(self, function: Any, /, *arguments: Any, **options: Any) -> "Future[Any]":
            if not self.tasks:
                raise RuntimeError("over")
            self.tasks -= 1
            return super().submit(partial(dict, self.there) if self.there else function, *arguments, **options)

    for executor, said in (
        (
            Ending(1, same_code.code() | {"numpy": "1.0"}),
            "worker of the executor would not write the same bytes: numpy 1.0 instead",
        ),
        (Ending(2), "The executor takes no more tasks (RuntimeError: over). Finished cells are saved; run the same command"),
    ):
        with executor, pytest.raises(UsageError, match=re.escape(said)):
            outcome(small, tmp_path / "out", executor=opened(small, executor, 1, seconds=ALONE))
    assert run(small, tmp_path / "out") == run(small, tmp_path / "undisturbed")


OWN_POOL = """
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path


def note(event):
    with Path(__file__).with_name("log").open("a") as log:
        print(event, file=log)


def make(max_workers, how):
    return ProcessPoolExecutor(max_workers, get_context(how), note, ["begun"])


note("executed")
"""


@pytest.mark.processes
@forking
@pytest.mark.parametrize("how", get_all_start_methods())
@pytest.mark.parametrize("name", ["{}.py", "{}"])
def test_a_file_is_executed_once_in_each_process_that_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: Path, how: str, name: str
) -> None:
    """A fork has what the command has; other workers import from the file's folder what a pool sends them."""
    own, before = f"pool_{how}_{len(name)}", [*sys.path]
    (tmp_path / "pools").mkdir()
    (tmp_path / "pools" / f"{own}.py").write_text(OWN_POOL)
    monkeypatch.chdir(tmp_path if name == "{}.py" else tmp_path / "pools")
    kind = f"pools/{own}.py:make" if name == "{}.py" else f"{own}:make"
    check(Choice(kind, options={"how": how}))
    with opened(small, kind, 1, options={"how": how})():
        assert (tmp_path / "pools" / "log").read_text().split() == ["executed"] * (1 if how == "fork" else 2) + ["begun"]
    assert sys.path == before


def test_the_names_of_executors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pools.py").write_text(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "ready = ThreadPoolExecutor(1)\n"
        "def make(max_workers, name=''):\n    return ThreadPoolExecutor(max_workers, name)\n"
        "def wrong():\n    return [1]\n"
        "def fails():\n    raise ValueError('no\\nway')\n"
        "def leaves():\n    raise SystemExit(3)\n"
    )
    for kind in ("pools.py:make", "pools:make", f"{tmp_path}/pools.py:make"):
        made = named.maker(named.load(kind, "-"), kind, "-", {"name": "mine"}, 3)()
        assert (made._max_workers, made._thread_name_prefix) == (3, "mine")
    assert named.load("pools.py:ready", "-") is named.load(f"{tmp_path}/pools.py:ready", "-") is named.load("pools:ready", "-")
    # A file may have the name of a library, which it does not hide.
    monkeypatch.delitem(sys.modules, "zipapp", raising=False)
    Path("zipapp.py").write_text("from zipapp import create_archive as make\nclass Own:\n    pass\n")
    assert named.load("zipapp.py:make", "-") is named.load("zipapp:create_archive", "-")
    own = named.load("zipapp.py:Own", "-")
    assert own is named.load("./zipapp.py:Own", "-") is pickle.loads(pickle.dumps(own))
    Path("zipfile.py").write_text("1 / 0\n")
    Path("reads.py").write_text("open('nothing')\n")
    refused: tuple[tuple[Any, dict[str, Any], str], ...] = (
        ("pools.py:mak", {}, "--executor pools.py:mak: pools.py has no 'mak'\n  did you mean make?"),
        ("pols.py:make", {}, "--executor: there is no file pols.py"),
        ("zipfile.py:make", {}, "--executor: zipfile.py cannot be imported (ZeroDivisionError: division by zero)"),
        ("reads.py:make", {}, "--executor: reads.py cannot be imported (FileNotFoundError: [Errno 2]"),
        ("pols:make", {}, "--executor: there is no module 'pols', neither installed nor in this folder"),
        ("os:path", {}, "path is a module; a concurrent.futures.Executor is needed, or a function that returns one"),
        ("pools:make", {"nam": 1}, "got an unexpected keyword argument 'nam'\n  it takes: max_workers, name"),
        ("pools:ready", {"name": 1}, "--executor pools:ready is an executor already, and takes no --executor-option"),
        ("pools", {}, f"unknown executor 'pools'\n  allowed: {', '.join(EXECUTORS)}, or MODULE:FACTORY"),
        ("threads", {"a": 1}, "--executor-option: threads takes none; submitit and MODULE:FACTORY do"),
        (7, {}, "7 is no executor; a concurrent.futures.Executor is needed, or a function that returns one"),
    )
    for kind, options, said in refused:
        with pytest.raises(UsageError, match=re.escape(said)):
            check(Choice(kind, options=options))
    for named_so, said in (
        ("pools:wrong", "--executor pools:wrong returned a list, which has no submit; a concurrent.futures.Executor is needed"),
        ("pools:fails", "--executor pools:fails: no executor could be made (ValueError: no way)"),
        ("pools:leaves", "--executor pools:leaves: no executor could be made (SystemExit: 3)"),
    ):
        with pytest.raises(UsageError, match=re.escape(said)):
            named.maker(named.load(named_so, "--executor"), named_so, "--executor", {}, 1)()
    assert read_options(["a=8", "b=[x, y]", "c=text", "d="]) == {"a": 8, "b": ["x", "y"], "c": "text", "d": None}
    for text in ("a", "=1", "a b=1", "a={"):
        with pytest.raises(UsageError, match=f"^--executor-option {re.escape(text)}: "):
            read_options([text])


# Jobs of submitit


@pytest.fixture
def long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sweep with four short cells and a long one. Jobs are other processes, whose blocks have the usual size."""
    monkeypatch.undo()
    monkeypatch.setenv("SUBMITIT_LOG_LEVEL", "INFO")
    return config_file(tmp_path / "in", CSV | {"paths": 2000, "sweep": {"steps": [20, 40, 60, 80, 4000]}})


def two_parts(path: Path) -> float:
    """The seconds with which the long cell of a sweep is two tasks, and the others are one."""
    sweep, _ = found(path)
    return max(costs.estimate_seconds(sweep.cell(point)) for point in sweep.points()) / (1.01 * tasks.SPLIT_FACTOR)


@pytest.mark.processes
def test_jobs_of_this_machine_give_the_same_bytes_also_if_one_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, long: Path
) -> None:
    submitit: Any = pytest.importorskip("submitit")
    expected = run(long, tmp_path / "threads")
    monkeypatch.setattr(submitit.Job, "_results_timeout_s", 0)
    monkeypatch.setattr(tasks, "SPLIT_FACTOR", 2.0)
    submit, killed, told = Jobs.submit_collected, list[str](), list[str]()

    def killing(jobs: Jobs) -> None:
        collected = [*jobs.collected]
        submit(jobs)
        if not killed:
            killed.append(collected[0].job.job_id)
            collected[0].job._process.kill()

    monkeypatch.setattr(Jobs, "submit_collected", killing)
    sweep, surveyed = found(long)
    choice = Choice("submitit", 2, options={"cluster": "local"}, seconds=two_parts(long))
    out = tmp_path / "out"
    assert run_sweep(sweep, surveyed, out, opener(choice, sweep, surveyed, out, told.append), draw=drawn).computed == 5
    log = out / JOBS_FOLDER / f"{killed[0]}_0_log.out"
    assert told == [f"Job {killed[0]} left no result (INTERRUPTED). It is submitted again. Its log: {log}"]
    assert contents(out) == expected


@pytest.mark.processes
def test_jobs_of_a_cluster_are_arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, long: Path) -> None:
    """With stand-ins for SLURM's commands. A job that fails is submitted again; an interrupt cancels all."""
    submitit: Any = pytest.importorskip("submitit")
    expected = run(long, tmp_path / "threads")
    place = tmp_path / "bin"
    monkeypatch.setenv("PATH", slurm.installed(place))
    monkeypatch.setattr(submitit.Job, "_results_timeout_s", 0)
    (place / "fail").touch()
    sweep, surveyed = found(long)
    told: list[str] = []

    def sweep_by(out: Path, on_event: Any = lambda event: None) -> None:
        choice = Choice("submitit", 0, options={"slurm_partition": "short", "mem_gb": 2}, seconds=two_parts(long))
        made = opener(choice, sweep, surveyed, out, told.append)
        run_sweep(sweep, surveyed, out, made, draw=drawn, progress=lambda: nullcontext(on_event))

    sweep_by(tmp_path / "out")
    script, again = (place / "job-1000").read_text(), (place / "job-2000").read_text()
    for line in ("array=0-2%3", "partition=short", "mem=2GB", "time=60", "cpus-per-task=1", "job-name=nonconv"):
        assert f"#SBATCH --{line}\n" in script
    assert "--array" not in again
    assert [text.partition(". Its")[0] for text in told] == ["Job 1000_0 left no result (NODE_FAIL). It is submitted again"]
    assert contents(tmp_path / "out") == expected
    with pytest.raises(Interrupted, match=r"Saved in .*: [1-4] of 5 cells"):
        sweep_by(tmp_path / "stopped", interrupt_at(1))
    assert "scancel 3000\n" in (place / "log").read_text()
    assert not (tmp_path / "stopped" / JOBS_FOLDER).exists()


@pytest.mark.processes
def test_jobs_are_cancelled_though_their_submission_is_interrupted_or_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: Path
) -> None:
    """After SLURM has taken them: Ctrl-C comes while sbatch runs, or submitit cannot write what it keeps of them."""
    utils: Any = pytest.importorskip("submitit.core.utils")
    place = tmp_path / "bin"
    monkeypatch.setenv("PATH", slurm.installed(place))
    sweep, surveyed = found(small)

    def submit(out: Path) -> None:
        choice = Choice("submitit", options={"slurm_partition": "short"}, seconds=ALONE)
        run_sweep(sweep, surveyed, out, opener(choice, sweep, surveyed, out, lambda text: None), draw=drawn)

    (place / "interrupt").touch()
    with pytest.raises(Interrupted):
        submit(tmp_path / "interrupted")
    (place / "interrupt").unlink()
    move = utils.JobPaths.move_temporary_file

    def moved(paths: Any, temporary: Path, name: str, **options: Any) -> None:
        if name == "submitted_pickle":
            raise OSError("no space")
        move(paths, temporary, name, **options)

    monkeypatch.setattr(utils.JobPaths, "move_temporary_file", moved)
    with pytest.raises(UsageError, match=r"^No job could be submitted \(OSError: no space\)."):
        submit(tmp_path / "failed")
    assert [line for line in (place / "log").read_text().splitlines() if "scancel" in line] == ["scancel 1000", "scancel 2000"]


def test_a_first_interrupt_waits_for_what_it_is_not_to_break_and_a_second_for_nothing() -> None:
    pressed, done, end = list[int](), list[int](), threading.Event()

    def interrupted(number: int, frame: Any) -> None:
        pressed.append(number)
        raise KeyboardInterrupt

    def work(times: int) -> None:
        for count in range(times):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            wait_until(lambda: len(pressed) > count)  # noqa: B023  # called at once
        if times == 2:
            end.wait()
        done.append(times)

    before = signal.signal(signal.SIGINT, interrupted)
    try:
        for times, finished in ((1, [1]), (2, [1])):
            pressed.clear()
            with pytest.raises(KeyboardInterrupt):
                protocol.unbroken(partial(work, times))
            assert done == finished
    finally:
        end.set()
        signal.signal(signal.SIGINT, before)


@pytest.mark.processes
def test_job_folders_in_a_common_folder_are_several(tmp_path: Path, small: Path) -> None:
    """Of output folders whose last part is the same: a command would remove the other's jobs, which would run its sweep."""
    pytest.importorskip("submitit")
    sweeps = [found(small)[0], found(small, "seed=7")[0]]
    options = {"cluster": "local", "folder": str(tmp_path / "jobs")}
    with ExitStack() as opened:
        for name, sweep in zip("ab", sweeps, strict=True):
            made = opened.enter_context(open_jobs(remote.pack_sweep(sweep, {}), options, 1, tmp_path / name / "x"))
            made.submit(tasks.CellsTask(()))
        kept = sorted((tmp_path / "jobs").glob("nonconv-x-*/sweep.pkl"))
        seeds = {pickle.loads(path.read_bytes()).sweep.config["seed"] for path in kept}
        assert seeds == {sweep.config["seed"] for sweep in sweeps}
    assert not [*(tmp_path / "jobs").iterdir()]


def test_a_preempted_job_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit")
    path = config_file(tmp_path / "in", GRID)
    sweep, surveyed = found(path)
    (tmp_path / "sweep.pkl").write_bytes(pickle.dumps(remote.pack_sweep(sweep, {})))
    order = [tasks.CellJob(name, point, None) for name, point in zip(surveyed.ids, sweep.points(), strict=True)]
    monkeypatch.setattr(jobs, "PART_CELLS", 4)
    monkeypatch.setattr(jobs, "JOINING_SECONDS", 0.01)
    compute = remote.run_remotely

    def preempted(computed: list[Any], payload: Any, part: tasks.Task, stop: tasks.Stop) -> Any:
        """Compute one part, then wait for the end of the job."""
        if computed:
            os.kill(os.getpid(), signal.SIGUSR2)
            wait_until(lambda: bool(stop[0]))
        computed.append(part)
        return compute(payload, part, stop)

    def leave(*_: Any) -> None:
        raise SystemExit(144)

    def refuse(*_: Any) -> None:
        raise RuntimeError("The queue does not take it back.")

    refused = nullcontext(jobs.Unfinished("RuntimeError: The queue does not take it back"))
    requeued = pytest.raises(SystemExit)
    some, blocks_of_one = tasks.CellsTask(tuple(order)), tasks.BlocksTask(order[0], 0, PATHS)
    for task, handler, ending in (some, leave, requeued), (blocks_of_one, leave, requeued), (some, refuse, refused):
        expected = tasks.run_task(sweep, task, np.zeros(1, dtype=np.uint8))
        job = jobs.SweepJob(tmp_path / "sweep.pkl", task)
        before = signal.signal(signal.SIGUSR2, handler)
        try:
            with monkeypatch.context() as patched:
                patched.setattr(jobs, "run_remotely", partial(preempted, []))
                with ending as ended:
                    assert job() == ended
        finally:
            signal.signal(signal.SIGUSR2, before)
        successor = pickle.loads(pickle.dumps(job.checkpoint().function))
        assert len(successor.done) == 1
        both: list[Any] = [successor(), expected]
        assert len(successor.done) == (2 if isinstance(task, tasks.CellsTask) else len(range(0, PATHS, BLOCK)))
        contents_of = [[one.files if isinstance(one, tasks.Done) else packed(one.arrays()) for one in these] for these in both]
        assert contents_of[0] == contents_of[1]


def test_jobs_that_all_fail_end_the_sweep_and_one_that_fails_costs_its_cells(
    tmp_path: Path, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: Any = pytest.importorskip("submitit.core.utils")
    trace = "Job (task=0) failed during processing with trace:\n------\nTraceback\n\nKeyError: 'x'\n\n------\nYou can check"

    class Job:
        """A job that ends so."""

        job_id, state, _failing = "7", "NODE_FAIL", list[Any]()
        _saves = 0

        def __init__(self, work: Any) -> None:
            self.work, self.paths = work, SimpleNamespace(**dict.fromkeys(("stdout", "stderr"), tmp_path / "no.log"))
            self.paths.result_pickle = self.paths.submitted_pickle = tmp_path / "no.pkl"

        def done(self) -> bool:
            return True

        def submission(self) -> Any:
            """What it was to do next: half of its cells are done, if it has saved any."""
            some = [self.work.task._replace(jobs=self.work.task.jobs[:1])] * Job._saves
            parts = (tasks.run_task(found(small)[0], one, np.zeros(1, dtype=np.uint8)) for one in some)
            return SimpleNamespace(function=jobs.SweepJob(self.work.sweep, self.work.task, tuple(parts)))

        def result(self) -> Any:
            failure = Job._failing.pop(0) if Job._failing else None
            if isinstance(failure, Exception):
                raise failure
            return failure or self.work()

    class Submitting:
        """submitit's executor."""

        def submit(self, work: Any) -> Job:
            return Job(work)

    def sweep(*failing: Any, seconds: float = ALONE) -> Outcome:
        Job._failing[:] = failing
        swept, surveyed = found(small)
        made = Jobs(remote.pack_sweep(swept, {}), lambda folder: Submitting(), True, 1, tmp_path / "jobs", lambda text: None)
        made.seconds = seconds
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        return run_sweep(swept, surveyed, tmp_path / "out", lambda: closing(made), draw=drawn)

    lost, failed = errors.UncompletedJobError("no"), errors.FailedJobError(trace)
    log, more = f"Its log: {tmp_path}/no.log.", "Finished cells are saved; run the same command to continue."
    for failing, said in (
        ([lost] * 4, f"Job 7 left no result, 4 times (NODE_FAIL). {log} {more}"),
        ([failed], f"Job 7 failed: KeyError: 'x'. {log} {more}"),
        ([jobs.Refused("worker x would not write the same bytes")], "worker x would not write the same bytes"),
    ):
        with pytest.raises(UsageError, match=f"^{re.escape(said)}$"):
            sweep(*failing)
    assert sweep(lost, lost, lost).failures == {}
    late = jobs.Unfinished("timed out")
    assert sweep(late, lost, late).failures == {}
    with pytest.raises(UsageError, match=re.escape("Job 7 left no result, 4 times (timed out)")):
        sweep(*[late] * 4)
    for failing, said in (
        ([None, failed], "its job failed: KeyError: 'x'"),
        ([None, *[lost] * 4], "its job left no result, 4 ti"),
    ):
        done = sweep(*failing)
        assert done.computed == 1
        assert next(iter(done.failures.values())).startswith(said)
    # One of the cells of a job takes too much memory: the other has its result.
    Job.state = "OUT_OF_MEMORY"
    done = sweep(*[lost] * 5, seconds=BUNDLED)
    assert (done.computed, [*done.failures.values()]) == (1, ["its job left no result, 4 times (OUT_OF_MEMORY)"])
    # Or the first is in a part that lost jobs had saved. It is not computed again.
    monkeypatch.setattr(jobs, "PART_CELLS", 1)
    Job._saves, compute, computed = 1, remote.run_remotely, list[Any]()

    def noted(payload: Any, part: Any, stop: Any) -> Any:
        computed.extend(part.jobs)
        return compute(payload, part, stop)

    monkeypatch.setattr(jobs, "run_remotely", noted)
    expected = run(small, tmp_path / "undisturbed")
    assert sweep(late, seconds=BUNDLED).failures == {}
    assert contents(tmp_path / "out") == expected
    assert len(computed) == 1
    done = sweep(*[lost] * 4, seconds=BUNDLED)
    assert (done.computed, [*done.failures.values()]) == (1, ["its job left no result, 4 times (OUT_OF_MEMORY)"])
    assert len(computed) == 1


@pytest.mark.usefixtures("_stubbed")
def test_wrong_options_of_jobs(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", "/nowhere")
    for option, said in (
        ("timeot_min=3", "timeot_min: submitit has no such parameter\n  allowed: cluster, folder, name,"),
        ("timeot_min=3", "\n  did you mean timeout_min?"),
        (
            "slurm_partitio=x",
            "--executor-option: Unknown argument 'partitio' for executor 'slurm' in parameter 'slurm_partitio'\n",
        ),
        ("nodes=2", "--executor-option nodes: a task has one process; more jobs run with --workers"),
        ("cluster=debug", "--executor-option cluster=debug: no cluster of nonconv's\n  allowed: slurm, local"),
        ("cluster=slurm", '--executor-option: Could not detect "srun", are you indeed on a slurm cluster?'),
        ("timeout_min=x", '--executor-option: Parameter "timeout_min" expected type'),
        ("folder=3", "--executor-option folder=3: must be the name of a folder"),
        ("timeout_min", "--executor-option timeout_min: must have the form KEY=VALUE"),
    ):
        result = call("sweep", small, "-o", "out", "--executor", "submitit", "--executor-option", option, code=2)
        assert said in result.stderr
    result = call("sweep", small, "-o", "100%", "--executor", "submitit", code=2)
    assert "--executor submitit: no job folder may have a % in its name: 100%/unfinished.jobs\n" in result.stderr
    assert not Path("out").exists()
    monkeypatch.setitem(sys.modules, "submitit", None)
    result = call("sweep", small, "-o", "out", "--executor", "submitit", code=2)
    assert result.stderr == '--executor submitit needs submitit: pip install "nonconv[slurm]"\n'


def test_a_worker_needs_no_file_but_what_it_is_sent(tmp_path: Path) -> None:
    path = config_file(tmp_path / "in", CONFIGS["files"])
    sweep, surveyed = found(path)
    payload = remote.pack_sweep(sweep, {name: file.content for name, file in surveyed.files.items()})
    run(path, tmp_path / "out")
    shutil.rmtree(tmp_path / "in")
    jobs = tuple(tasks.CellJob(name, point, None) for name, point in zip(surveyed.ids, sweep.points(), strict=True))
    for name, done in zip(surveyed.ids, remote.run_remotely(payload, tasks.CellsTask(jobs)), strict=True):
        assert done.files == files_of(tmp_path / "out" / CELLS_FOLDER / name)


@pytest.mark.processes
@pytest.mark.slow
def test_a_failure_has_the_same_reason_wherever_its_plugin_lies(tmp_path: Path) -> None:
    text = lion_with_a_table()
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "lion.py").write_text(
        text.replace(AT_STEP, f'{AT_STEP}    raise ValueError("no\\nhow")\n'), encoding="utf-8"
    )
    path = config_file(tmp_path / "in", SMALL | {"plugins": ["lion.py"], "optimizer": "my_lion"})
    sweep, surveyed = found(path)
    payload = remote.pack_sweep(sweep, {name: file.content for name, file in surveyed.files.items()})
    task = tasks.CellsTask(tuple(tasks.CellJob(*order, None) for order in zip(surveyed.ids, sweep.points(), strict=True)))
    here = tasks.run_task(sweep, task, np.zeros(1, dtype=np.uint8))
    with ProcessPoolExecutor(1, get_context("spawn")) as elsewhere:
        assert here == elsewhere.submit(remote.run_remotely, payload, task).result()
    line = text[: text.index(AT_STEP)].count("\n") + 2
    assert here == [tasks.Failed(f"lion.py:{line}:5: cannot be run: ValueError: no how")] * 2


@pytest.mark.parametrize("kind", [threads.open_threads, processes.open_processes])
def test_files_that_change_or_go_meanwhile_change_nothing(tmp_path: Path, kind: Any) -> None:
    """What the survey read is what every worker simulates, and what is stored."""
    undisturbed = run(config_file(tmp_path / "in", CONFIGS["files"]), tmp_path / "undisturbed")
    path = config_file(tmp_path / "in", CONFIGS["files"])
    sweep, surveyed = found(path)
    (tmp_path / "in" / "other.csv").write_text("x,y\n7,7\n")
    (tmp_path / "in" / "rows.csv").unlink()
    assert run_sweep(sweep, surveyed, tmp_path / "out", partial(kind, sweep, 2), draw=drawn).failures == {}
    assert contents(tmp_path / "out") == undisturbed


def test_a_sweep_is_sent_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Client:
        def __init__(self, answer: Any) -> None:
            self.answer = answer

        def nthreads(self) -> dict[str, int]:
            return {"one": 2, "other": 3}

        def scatter(self, payload: Any, broadcast: bool, hash: bool) -> Any:  # noqa: A002  # as the library calls it
            assert broadcast > hash
            if isinstance(self.answer, Exception):
                raise self.answer
            return payload

    payload = remote.SweepPayload(None, {}, {})  # type: ignore[arg-type]  # nothing looks at the sweep
    made = dask.connect(payload, Client(None))
    assert (made.payload, made.waiting) == (payload, 5 * protocol.TASKS_PER_WORKER)
    with pytest.raises(UsageError, match=re.escape("the sweep cannot be sent to the cluster (ImportError: no nonconv)")):
        dask.connect(payload, Client(ImportError("no nonconv")))


def test_a_worker_with_other_code_is_refused(tmp_path: Path, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the same version: the files differ, or a library. Also one that joins later, which ends the command."""
    here = same_code.code()

    class Client:
        def __init__(self, there: dict[str, str]) -> None:
            self.there = there

        def run(self, function: Callable[[], Any]) -> dict[str, Any]:
            return {"tcp://1": function(), "tcp://2": self.there}

    dask.refuse_other_code(Client(dict(here)))
    for change, said in (
        ({same_code.OURS: "0"}, "the files of nonconv"),
        ({"numpy": "1.0", "numba": "2.0"}, f"numpy 1.0 instead of {np.__version__}, numba 2.0 instead of {here['numba']}"),
    ):
        with pytest.raises(UsageError) as refusal:
            dask.refuse_other_code(Client(here | change))
        assert str(refusal.value) == f"worker tcp://2 would not write the same bytes: {said}; install the same there and here"
    payload = remote.pack_sweep(found(small)[0], {})
    monkeypatch.setattr(remote, "code", lambda: here | {same_code.OURS: "0"})
    with pytest.raises(UsageError, match="would not write the same bytes: the files of nonconv") as refusal:
        remote.run_remotely(payload, tasks.CellsTask(()))
    with pytest.raises(UsageError) as ended:
        outcome(small, tmp_path / "out", executor=lambda: nullcontext(Failing(BUNDLED, refusal.value)))
    assert ended.value is refusal.value


def test_workers_have_whatever_a_manifest_of_a_cell_names(tmp_path: Path, small: Path) -> None:
    """Workers write it. The docs say what they need."""
    run(small, tmp_path / "out")
    manifests = [*(tmp_path / "out").glob(f"{CELLS_FOLDER}/*/{MANIFEST}")]
    assert len(manifests) == 2
    for path in manifests:
        assert json.loads(path.read_text())["versions"].items() <= same_code.code().items()
    page = (Path(nonconv.__file__).parents[1] / "docs" / "clusters.md").read_text(encoding="utf-8")
    said = page.partition("\n- Workers need ")[2].partition("\n- ")[0].casefold()
    assert [name for name in same_code.code() if name not in said.replace("other files", "the files")] == []


def test_code_is_every_file_of_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copied = tmp_path / "nonconv"
    shutil.copytree(Path(nonconv.__file__).parent, copied)
    monkeypatch.setattr(nonconv, "__file__", str(copied / "__init__.py"))
    code = same_code.code.__wrapped__
    assert code() == same_code.code()
    digests = {code()[same_code.OURS]}
    for name in ("optimizers/sgd.py", "datasets/data/diabetes.csv", "new.py"):
        with (copied / name).open("a") as file:
            file.write(" ")
        digests.add(code()[same_code.OURS])
    (copied / ".sgd.py.swp").write_text("an editor's")
    digests.add(code()[same_code.OURS])
    assert len(digests) == 4


class Failing:
    """An executor all of whose tasks end with this."""

    cells, waiting = 0, 2

    def __init__(self, seconds: float, failure: Exception) -> None:
        self.seconds, self.failure = seconds, failure

    def submit(self, task: tasks.Task) -> "Future[Any]":
        assert task.jobs
        future: Future[Any] = Future()
        future.set_exception(self.failure)
        return future


def test_a_cluster_that_is_gone(tmp_path: Path, small: Path) -> None:
    with pytest.raises(UsageError) as refusal:
        outcome(
            small, tmp_path / "out", executor=lambda: nullcontext(Failing(BUNDLED, protocol.Lost("The Dask cluster is gone.")))
        )
    assert str(refusal.value) == "The Dask cluster is gone. Finished cells are saved; run the same command to continue."
    run(small, tmp_path / "out")


@pytest.mark.parametrize("seconds", [IN_PARTS, BUNDLED])
def test_a_worker_that_dies_again_and_again(tmp_path: Path, small: Path, seconds: float) -> None:
    deadly = Failing(seconds, MemoryError("too much"))
    done = outcome(small, tmp_path / "out", executor=lambda: nullcontext(deadly))
    assert list(done.failures.values()) == ["MemoryError: too much"] * 2
    assert run(small, tmp_path / "out") == run(small, tmp_path / "undisturbed")


@pytest.mark.filterwarnings("ignore")  # the library's own
@pytest.mark.usefixtures("_stubbed")
def test_no_scheduler(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(dask, "SCHEDULER_SECONDS", 0.5)
    for address in ("tcp://127.0.0.1:1", "tls://127.0.0.1:1", "tcp://127.0.0.1:99999"):
        result = call("sweep", small, "-o", "out", "-q", "--executor", "dask", "--scheduler", address, code=2)
        assert f"--scheduler {address}: no scheduler answered (" in result.stderr
        assert ("certificates" in result.stderr) == address.startswith("tls")
        assert result.stderr.count("\n") == 1
    for address in ("nonsense://x:1", "ucx://127.0.0.1:1", "tcp://:x", "x", "inproc://x", " tcp://127.0.0.1:1"):
        result = call("sweep", small, "-o", "out", "-q", "--executor", "dask", "--scheduler", address, code=2)
        assert result.stderr.startswith(f"--scheduler: no address: {address!r}\n  allowed: tcp://HOST:PORT")
    monkeypatch.setattr(protocol, "TELLING_SECONDS", 0.1)
    result = call("sweep", small, "-o", "out", "--executor", "dask", "--scheduler", "tcp://127.0.0.1:1", code=2)
    assert result.stderr.startswith("Waiting for the scheduler tcp://127.0.0.1:1 to answer, for at most 0 s.\n--scheduler")
    assert run(small, tmp_path / "out") == run(small, tmp_path / "undisturbed")
