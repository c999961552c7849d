"""What other tools take: recipes of docs/ci.md, the hook of pre-commit, the Dockerfile."""

import re
import shlex
import subprocess
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import yaml

from kit.command import call, good
from kit.runs import undrawn
from nonconv.cli import app
from nonconv.report.figures import drawing_process

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
BLOCKS = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
(GITHUB,) = (block for block in BLOCKS if "jobs" in block)
(GITLAB,) = (block["claims"] for block in BLOCKS if "claims" in block)
(PRE_COMMIT,) = (block for block in BLOCKS if "repos" in block)
STEPS = GITHUB["jobs"]["claims"]["steps"]
(HOOK,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
INSTRUCTIONS = [
    line.split(maxsplit=1)
    for line in re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text(encoding="utf-8")).splitlines()
    if line and not line.startswith("#")
]


def commands(lines: list[str]) -> list[list[str]]:
    """Those of nonconv among lines of a shell, as arguments, with the config that is there."""
    ours = [shlex.split(line) for line in lines if line.startswith("nonconv ")]
    return [["configs/claim.yaml" if "*" in word else word for word in line[1:]] for line in ours]


@pytest.mark.compiles
@pytest.mark.slow
@pytest.mark.parametrize("lines", [[s.get("run", "") for s in STEPS], GITLAB["script"]], ids=["github", "gitlab"])
def test_what_a_pipeline_runs(lines: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(drawing_process, "figure_process", lambda: nullcontext(undrawn))
    good("new", "claim", "-q", "-o", "configs/claim.yaml")
    assert [arguments[0] for arguments in commands(lines)] == ["validate", "check"]
    for arguments in commands(lines):
        result = call(*arguments, *(["--set", "paths=500"] if arguments[0] == "check" else []))
        assert result.exit_code in (0, 4), result.output
    assert {path.name for path in tmp_path.iterdir()} == {"configs", "outputs", "claims.xml", "claims.md"}


@pytest.mark.slow
@pytest.mark.processes
def test_the_summary_of_a_workflow(tmp_path: Path) -> None:
    (summary,) = (step["run"] for step in STEPS if "GITHUB_STEP_SUMMARY" in step.get("run", ""))
    for content in (None, "| claim |\n"):
        if content:
            (tmp_path / "claims.md").write_text(content)
        environment = {"GITHUB_STEP_SUMMARY": "page", "PATH": "/bin:/usr/bin"}
        subprocess.run(["bash", "-e", "-c", summary], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "page").read_text() == "| claim |\n"


def test_a_workflow_keeps_kernels_and_results() -> None:
    (cache,) = (step for step in STEPS if step.get("uses", "").startswith("actions/cache@"))
    kept = cache["with"]["path"].split()
    folder = GITHUB["jobs"]["claims"]["env"]["NONCONV_CACHE_DIR"]
    assert [folder.rpartition("/")[2], "outputs"] == kept == GITLAB["cache"]["paths"]
    assert cache["with"]["key"].startswith(cache["with"]["restore-keys"])
    assert GITLAB["allow_failure"]["exit_codes"] == 4
    assert GITLAB["artifacts"]["reports"]["junit"] == "claims.xml"


def test_the_hook_of_pre_commit() -> None:
    """Its fields are those of pre-commit; it is called with files, which it must find itself able to read."""
    assert {"id", "name", "entry", "language"} <= HOOK.keys() <= {*HOOK, "files", "description", "require_serial"}
    (repository,) = PRE_COMMIT["repos"]
    assert [hook["id"] for hook in repository["hooks"]] == [HOOK["id"]]
    program, *arguments = shlex.split(HOOK["entry"])
    assert program == "nonconv"
    assert call(*arguments, ROOT / "configs" / "adam_const.yaml").output == ""
    chosen = re.compile(HOOK["files"])
    assert all(chosen.search(name) for name in ("configs/a.yaml", "x/configs/gallery/b.yml"))
    assert not any(chosen.search(name) for name in ("configs/data/iris.csv", "docs/a.yaml", "myconfigs/a.yaml"))


def test_the_dockerfile_copies_what_is_there_and_is_not_ignored() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = [word for name, rest in INSTRUCTIONS if name == "COPY" for word in rest.split()[:-1]]
    assert set(copied) == kept
    assert all((ROOT / name).exists() for name in copied)


def test_the_dockerfile_installs_the_lock_and_runs_nonconv_without_root() -> None:
    found: dict[str, list[str]] = {}
    for name, rest in INSTRUCTIONS:
        found.setdefault(name, []).append(rest)
    assert "-r /src/requirements.lock" in found["RUN"][0]
    assert "--no-deps /src" in found["RUN"][1]
    assert found["USER"] == ["1000"]
    assert found["ENTRYPOINT"] == ['["nonconv"]']
    assert found["FROM"] == ["python:3.12-slim"]


def test_every_command_that_the_page_names_is_one() -> None:
    known: Any = {command.name for command in app.registered_commands}
    assert set(re.findall(r"`nonconv ([a-z]+)", PAGE)) <= known
