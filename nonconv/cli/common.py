"""What the commands share: options, the way errors become messages and exit codes, output."""

import functools
import io
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from nonconv.errors import NonconvError, UsageError

INTERNAL_ERROR, INTERRUPTED = 1, 130
TEXT_WIDTH, NUMBERS_WIDTH = 160, 1000
F = TypeVar("F", bound=Callable[..., Any])

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="A config file.")]
ConfigFiles = Annotated[list[Path], typer.Argument(metavar="CONFIG...", help="Config files.")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="An output folder.")]
Settings = Annotated[
    list[str],
    typer.Option("--set", metavar="KEY=VALUE", help="Change one value of the config, as optimizer.beta2=0.99."),
]
Plugins = Annotated[
    list[Path],
    typer.Option("--plugin", metavar="FILE", help="A Python file with components of your own; its code is run. Repeatable."),
]
Workers = Annotated[
    int, typer.Option(min=0, help="Threads, or processes of a sweep; 0: one a processor. The result is the same.")
]
Force = Annotated[bool, typer.Option("--force", help="Compute again, and overwrite what the folder holds.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say more; show tracebacks.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no hints.")]


def reported(command: F) -> F:
    """Errors as messages on stderr with their exit code; a traceback only for what is our fault, or with -v."""

    @functools.wraps(command)
    def wrapper(*arguments: Any, **options: Any) -> Any:
        verbose = bool(options.get("verbose"))
        try:
            return command(*arguments, **options)
        except NonconvError as error:
            say(traceback.format_exc() if verbose else str(error))
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            say("stopped")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            raise typer.Exit from None  # whoever reads our output has seen enough
        except typer.Exit:
            raise
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            say(traceback.format_exc() if verbose else f"{where}{error.strerror or error}")
            raise typer.Exit(UsageError.exit_code) from None
        except Exception as error:  # the last resort: whatever is left is our fault, and is said so
            hint = "" if verbose else "; -v shows where"
            say(f"internal error, please report it: {type(error).__name__}: {error}{hint}")
            if verbose:
                say(traceback.format_exc())
            raise typer.Exit(INTERNAL_ERROR) from None

    return wrapper  # type: ignore[return-value]  # functools.wraps keeps the signature, which mypy cannot see


def say(text: str) -> None:
    """A message for people, on stderr."""
    print(text, file=sys.stderr, flush=True)


def write_stdout(content: bytes) -> None:
    """A result, byte for byte. What cannot be written raises when main flushes."""
    sys.stdout.flush()
    sys.stdout.buffer.write(content)


def print_table(title: str, header: list[str], rows: list[list[str]], numbers: bool = False) -> None:
    """A table on stdout: text is folded to the terminal's width, numbers are never cut."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title or None, box=SIMPLE_HEAD, title_justify="left", title_style="bold", pad_edge=False)
    for name in header:
        table.add_column(name, justify="right" if numbers else "left", overflow="fold", no_wrap=numbers)
    for row in rows:
        table.add_row(*row)
    if sys.stdout.isatty() and not numbers:
        Console(highlight=False, markup=False).print(table)
        return
    lines = io.StringIO()
    Console(width=NUMBERS_WIDTH if numbers else TEXT_WIDTH, highlight=False, markup=False, file=lines).print(table)
    print("\n".join(line.rstrip() for line in lines.getvalue().splitlines()))


def default_workers() -> int:
    """The processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
