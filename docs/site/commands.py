"""The reference of commands, made of the program's own help: python docs/site/commands.py prints it."""

import inspect
from typing import Any

import typer

from nonconv.cli import app

HEAD = """# Commands

All commands with their arguments and options, as `nonconv COMMAND --help` shows them.
Results go to standard output, progress and messages to standard error.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | an internal error |
| 2 | wrong use, config or plug-in |
| 3 | refuted, or a difference was found |
| 4 | undecided |
| 5 | some cells of a sweep failed |
| 130 | interrupted |
"""
OF_ALL = {"help", "install_completion", "show_completion"}


def page() -> str:
    """Return the page."""
    group: Any = typer.main.get_command(app)
    return "\n".join([HEAD, *(section(name, command) for name, command in group.commands.items())])


def section(name: str, command: Any) -> str:
    """Describe one command: what it does, its arguments and its options."""
    context = command.make_context(name, [], resilient_parsing=True)
    usage = " ".join(["nonconv", name, *command.collect_usage_pieces(context)])
    arguments = [row(told(one)) for one in command.params if one.param_type_name == "argument"]
    options = [row(told(one)) for one in command.params if one.param_type_name == "option" and one.name not in OF_ALL]
    text = inspect.cleandoc(command.help or "")
    parts = [f"## {name}\n", f"    {usage}\n", f"{text}\n"]
    for title, rows in (("argument", arguments), ("option", options)):
        parts += [f"| {title} | meaning |\n|---|---|\n" + "\n".join(rows) + "\n"] if rows else []
    return "\n".join(parts)


def told(parameter: Any) -> tuple[str, str]:
    """Return the names of an argument or an option, and what it means with its default."""
    if parameter.param_type_name == "argument":
        return f"`{parameter.metavar or parameter.name.upper()}`", parameter.help or ""
    names = ", ".join(f"`{name}`" for name in sorted(parameter.opts, key=len, reverse=True))
    value = "" if parameter.is_flag else f" `{parameter.metavar or parameter.type.name.upper()}`"
    plain = parameter.is_flag or callable(parameter.default) or parameter.default in (None, "", [], ())
    default = "" if plain else parameter.default
    hint = f" Default: `{default}`." if default != "" and "[default" not in (parameter.help or "") else ""
    return names + value, f"{parameter.help or ''}{hint}"


def row(cells: tuple[str, str]) -> str:
    """Write a row of a table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    print(page())
