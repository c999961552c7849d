"""nonconv show, nonconv validate: read a config and report its errors, without running it."""

from functools import partial
from pathlib import Path

from nonconv.cli.common import AsJson, ConfigFile, ConfigFiles, Quiet, Settings, Verbose, reported, write_stdout
from nonconv.faults.errors import ConfigError
from nonconv.system.words import count
from nonconv.terminal.lines import say


@reported
def show(
    config: ConfigFile,
    settings: Settings = [],
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Print the resolved config, with every default filled in.

    The output is a config itself.
    """
    from nonconv.experiment.binding import read_cell
    from nonconv.store.folder import SCHEMA_VERSION
    from nonconv.store.formats import as_json as json_bytes
    from nonconv.store.formats import as_yaml

    resolved = read_cell(config, settings).resolved
    document = {"schema_version": SCHEMA_VERSION, "config": resolved}
    write_stdout(json_bytes(document) if as_json else as_yaml(resolved))


@reported
def validate(
    configs: ConfigFiles,
    settings: Settings = [],
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Report all errors in all configs, without running them.

    If a config has a `sweep` block, every cell of its grid is read as well.
    """
    problems: list[str] = []
    for config in configs:
        try:
            _check(config, settings, quiet)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    if not quiet:
        say(f"{count(len(configs), 'valid config')}")


def _check(config: Path, settings: list[str], quiet: bool) -> None:
    """Read a config, and every cell of the grid if it has one. Raises ConfigError."""
    from nonconv.api.checking import checked
    from nonconv.config.files import read
    from nonconv.terminal.progress import tell_cells_read

    checked(read(config, settings), partial(tell_cells_read, quiet=quiet))  # read once: it may come from a pipe
