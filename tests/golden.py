"""The whole texts of errors: bad_configs.yaml, bad_networks.yaml, bad_grids.yaml. `python tests/golden.py` rewrites them.

Lists of all components of a kind are placeholders, as {optimizer}, so that a new component changes no text. When messages
change on purpose: run the command, then review every line of `git diff tests/`; what you commit is what users will read.
Whatever is not the value of `says:` is left as it is.
"""

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from nonconv.config.catalogue import BUILT_IN

HERE = Path(__file__).parent
CASE = re.compile(r"^- id: (?P<id>.*)\n(?:(?!- id: ).*\n)*?  says: \|\n(?P<says>(?:    .*\n|\n(?=    ))+)", re.MULTILINE)


def lists() -> dict[str, str]:
    """The placeholders, and the names that each stands for as an error shows them."""
    found = {f"{{{kind}}}": BUILT_IN.names(kind) for kind in BUILT_IN}
    laws, _, initialisations = BUILT_IN.names("start").partition("; for a network also ")
    return found | {"{start}": laws, "{initialisation}": initialisations}


def expanded(text: str) -> str:
    """A text of a table as the user sees it."""
    for placeholder, listed in lists().items():
        text = text.replace(placeholder, listed)
    return text


def folded(text: str) -> str:
    """A text that the user sees as a table has it: with placeholders in the lines that say what is allowed."""
    return "\n".join(map(_folded_line, text.split("\n")))


def _folded_line(line: str) -> str:
    if not line.lstrip().startswith("allowed: "):
        return line
    for placeholder, listed in sorted(lists().items(), key=lambda item: -len(item[1])):
        if "," in listed:  # one name alone may mean something else
            line = re.sub(rf"(?<!, ){re.escape(listed)}(?!, )", placeholder, line)
    return line


def table(name: str) -> list[dict[str, Any]]:
    """The cases of a table, each `says` as the user sees it."""
    cases: list[dict[str, Any]] = yaml.safe_load((HERE / name).read_text(encoding="utf-8"))
    return [case | {"says": expanded(case["says"]).rstrip("\n")} if "says" in case else case for case in cases]


def rewritten(text: str, says: dict[str, str]) -> str:
    """The text of a table with what its cases say now, by id."""

    def replaced(match: re.Match[str]) -> str:
        now = says.get(yaml.safe_load(match["id"]))
        if now is None:
            return match[0]
        lines = "".join(f"    {line}\n" if line else "\n" for line in folded(now).split("\n"))
        blank = "\n" if match["says"].endswith("\n\n") else ""
        return match[0].removesuffix(match["says"]) + lines + blank

    return CASE.sub(replaced, text)


def main() -> None:
    """Rewrite the three tables."""
    import test_config_errors
    import test_grid

    tellers = {
        "bad_configs.yaml": test_config_errors.told_of_case,
        "bad_networks.yaml": test_config_errors.told_of_case,
        "bad_grids.yaml": test_grid.told_of_case,
    }
    cases = {
        "bad_configs.yaml": test_config_errors.BAD,
        "bad_networks.yaml": test_config_errors.BAD_NETWORKS,
        "bad_grids.yaml": test_grid.BAD,
    }
    for name, tell in tellers.items():
        says = {}
        for case in cases[name]:
            with TemporaryDirectory() as folder:
                says[case["id"]] = tell(case, Path(folder))
        path = HERE / name
        path.write_text(rewritten(path.read_text(encoding="utf-8"), says), encoding="utf-8")


if __name__ == "__main__":
    main()
