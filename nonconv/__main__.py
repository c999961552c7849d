"""Start the `nonconv` program: `python -m nonconv` and the command `nonconv` both call `main`.

Loading matplotlib takes about as long as everything else that a command does before its first path.
So a command that draws starts the figure process first, before it even reads its arguments.
"""

# First of all, since every import takes time: from now on Ctrl-C prints no traceback.
# ruff: noqa: E402  # imports stand below what must happen before them
import _signal  # type: ignore[import-not-found]  # Python's own, without the enumerations of `signal`, and there already
import sys

# Not where this module is imported by something else: a test, or a worker that multiprocessing starts.
IS_COMMAND = __name__ == "__main__" or sys.argv[0].replace("\\", "/").rpartition("/")[2] in ("nonconv", "nonconv.exe")
if IS_COMMAND and _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)

from nonconv.system.signals import stop_at_once

if IS_COMMAND:
    stop_at_once()

from contextlib import suppress
from pathlib import Path

from nonconv.system.streams import open_closed_streams

ROOT = Path(__file__).parents[1]
"""The folder that nonconv is in."""
DRAWING_COMMANDS = ("run", "sweep")
"""Commands that draw figures. `check` draws as well, but usually reuses finished results."""
OPTIONS_WITHOUT_FIGURES = {"--dry-run", "--help", "-h"}


def main() -> None:
    """Run the command in sys.argv.

    The arguments are only scanned here; `nonconv.cli` parses them. A figure process started in vain does no harm: it ends
    with this process.
    """
    open_closed_streams()
    if sys.argv[1:2] and sys.argv[1] in DRAWING_COMMANDS and not OPTIONS_WITHOUT_FIGURES.intersection(sys.argv):
        from nonconv.report.figures import drawing_process

        drawing_process.start_early()
    # Imported after the process above has started: typer and the commands load meanwhile.
    from nonconv import cli

    cli.main()


def _leave_working_directory() -> None:
    """Import nothing from the working directory, which `python -m` puts first: `nonconv` does not, and both do the same.

    A file named random.py there is not meant. The folder stays if nonconv itself is in it.
    """
    with suppress(OSError):  # there is no working directory any more
        if not sys.flags.safe_path and sys.path[:1] == [str(Path.cwd())] and not Path.cwd().samefile(ROOT):
            del sys.path[0]


if __name__ == "__main__":
    _leave_working_directory()
    main()
