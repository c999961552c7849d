"""What commands share: their options, errors as messages and exit codes, output.

Results go to stdout, everything else (progress, hints, errors) to stderr, so that output can be piped and parsed.
"""

import functools
import shlex
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from nonconv.cli import completion
from nonconv.cli.library_warnings import kept_warnings
from nonconv.cli.shortage import refuse_too_little, shortage
from nonconv.faults.errors import Interrupted, NonconvError, UsageError
from nonconv.system.signals import stopping_commands
from nonconv.terminal.lines import say

EXIT_INTERNAL_ERROR = 1
"""Exit code of a defect of nonconv itself."""
Command = TypeVar("Command", bound=Callable[..., Any])

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="A config file.", autocompletion=completion.configs)]
ConfigFiles = Annotated[list[Path], typer.Argument(metavar="CONFIG", help="Config files.", autocompletion=completion.configs)]
RunFolder = Annotated[
    Path,
    typer.Argument(metavar="RUN", help="The output folder of a run or a sweep, or SWEEP#CELL.", autocompletion=completion.runs),
]
RunFolders = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN...",
        help="Output folders of runs or of one sweep, or SWEEP#CELL; LABEL=RUN names a run.",
        autocompletion=completion.runs,
    ),
]
Settings = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Set one config value, as optimizer.beta2=0.99. Repeatable.",
        autocompletion=completion.settings,
    ),
]
Plugins = Annotated[
    list[Path],
    typer.Option(
        "--plugin",
        metavar="FILE",
        help="A Python file with your own components; its code is run. Repeatable.",
        autocompletion=completion.plugins,
    ),
]
Workers = Annotated[
    int,
    typer.Option(min=0, metavar="N", help="Threads or processes. 0 uses every CPU. Results do not depend on it."),
]
Force = Annotated[bool, typer.Option("--force", help="Compute everything again and overwrite the output folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print more details, and tracebacks of errors.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be computed, and compute nothing.")]
Open = Annotated[bool, typer.Option("--open", help="Open the result in the browser when it is done.")]
OutputFolder = Annotated[
    Path | None, typer.Option("--out", "-o", metavar="DIR", help="The output folder. [default: outputs/NAME-HASH]")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print no progress and no hints.")]


def reported(command: Command) -> Command:
    """Decorate a command: turn its errors into a message on stderr and an exit code.

    NonconvError: its text and its exit code. OSError: 2. Ctrl-C: 130. Anything else is a defect of nonconv: 1. Tracebacks
    are shown with -v only.
    """

    @functools.wraps(command)
    def wrapper(*arguments: Any, **options: Any) -> Any:
        from nonconv.terminal.compiling import telling

        verbose = bool(options.get("verbose"))
        try:
            with stopping_commands(), telling(bool(options.get("quiet")), say):
                refuse_too_little()
                return command(*arguments, **options)
        except NonconvError as error:
            say(traceback.format_exc() if verbose else str(error))
            if missing := shortage(error):
                say(f"The cause: {missing}.")
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            say("Stopped.")
            raise typer.Exit(Interrupted.exit_code) from None
        except BrokenPipeError:
            raise typer.Exit from None  # the reader has closed the pipe, as `head` does
        except typer.Exit:
            raise
        except OSError as error:
            what = shortage(error) or error.strerror or str(error)
            told = f"{error.filename}: {what}" if error.filename else f"{what[:1].upper()}{what[1:]}"
            say(traceback.format_exc() if verbose else told)
            raise typer.Exit(UsageError.exit_code) from None
        except Exception as error:  # a defect of nonconv: every error that a user can cause is handled above
            if missing := shortage(error):
                say(traceback.format_exc() if verbose else f"{missing[0].upper()}{missing[1:]}.")
                raise typer.Exit(UsageError.exit_code) from None
            hint = "" if verbose else " (-v shows the traceback)"
            say(f"Internal error, please report it: {type(error).__name__}: {error}{hint}")
            if verbose:
                say(traceback.format_exc())
            raise typer.Exit(EXIT_INTERNAL_ERROR) from None
        finally:
            if verbose:
                for line in kept_warnings():
                    say(f"Warning of a library: {line}")

    return wrapper  # type: ignore[return-value]  # functools.wraps keeps the signature, but mypy does not know


def interrupted(stop: BaseException) -> Interrupted:
    """Return the error of an interrupted command, with the command line that continues it."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--force"]  # --force would start over
    return Interrupted(f"{str(stop) or 'Stopped.'} To continue, run:\n  {shlex.join(['nonconv', *arguments])}")


def write_stdout(content: bytes) -> None:
    """Write a result to stdout byte for byte. If it cannot be written, the flush in `main` raises."""
    sys.stdout.flush()
    if sys.stdout.isatty():
        print(content.decode("utf-8", "backslashreplace"), end="")
        return
    try:
        sys.stdout.buffer.write(content)
    except OSError as error:
        error.filename = "standard output"
        raise
