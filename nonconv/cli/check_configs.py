"""nonconv show, nonconv validate: a config without running it."""

from pathlib import Path

from nonconv.cli.common import AsJson, ConfigFile, ConfigFiles, Quiet, Settings, Verbose, reported, say, write_stdout
from nonconv.errors import ConfigError


@reported
def show(
    config: ConfigFile,
    settings: Settings = [],
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Print the resolved config, every default filled in. It is a config itself."""
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
    """Print all errors of all configs in one go, and nothing else."""
    from nonconv.experiment.binding import read_cell

    problems: list[str] = []
    for config in configs:
        try:
            read_cell(config, settings)
            _check_sweep(config, settings)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    if not quiet:
        say(f"{len(configs)} valid")


def _check_sweep(config: Path, settings: list[str]) -> None:
    """Every cell of the grid, if the config has one. Raises ConfigError."""
    from nonconv.config.document import read
    from nonconv.sweeps.sweep import read_sweep, survey

    if "sweep" in read(config, settings).data:
        survey(read_sweep(config, settings))
