"""`nonconv.validate`: what is wrong with a config, without running it. The command `validate` uses the same function."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nonconv.api.options import Config
from nonconv.api.wording import told_in_python
from nonconv.faults.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from nonconv.config.document import Document
    from nonconv.sweeps.grid import Grid


@told_in_python
def validate(config: Config, **settings: Any) -> dict[str, Any]:
    """Return the resolved config, with every default; raise ConfigError with all that is wrong with it.

    config, settings: as for `run`. If it has a `sweep` block, every cell of its grid is read as well. Nothing is run.
    """
    from nonconv.api.configs import as_document

    return checked(as_document(config, settings))


def checked(document: "Document", progress: "Callable[[Grid], Callable[[int], None]] | None" = None) -> dict[str, Any]:
    """Return the resolved config of a document; make every cell of its grid, if it has one. Raises ConfigError.

    progress: given the grid, returns what to call with the number of cells read.
    """
    from nonconv.api.looks import refuse_unknown_look
    from nonconv.experiment.binding import make_cell
    from nonconv.sweeps.sweep import as_sweep, survey

    # A config with a grid must also be valid as a single run: `nonconv run` ignores the `sweep` block.
    cell = make_cell(document)
    try:
        refuse_unknown_look(cell.resolved.get("figures", {}))
    except UsageError as error:
        raise ConfigError([f"{document.source}: {error}"]) from None
    if "sweep" in document.data:
        swept = as_sweep(document)
        survey(swept, progress(swept.grid) if progress else lambda done: None)
    return cell.resolved
