"""From a validated config to a cell: one fully resolved experiment, named by a hash of all that its results depend on.

The models of `config.spec` check each value alone. What needs more than one part of the config, such as the length of
`start` and the dimension of the objective, or what a data file holds, is checked where it is bound: by `reading`, `step_parts`,
`recording`, `candidates`, `starts` and here. All problems are raised together.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nonconv.components.definitions import Chosen, Configured, Coupled, Distribution
from nonconv.components.quantity import Asked
from nonconv.config.document import Document
from nonconv.config.expect import Recorded, find_unrecorded
from nonconv.config.files import read
from nonconv.config.validate import refuse, validate
from nonconv.engine.plan import Wanted, plan_for
from nonconv.engine.program import Program, Supply
from nonconv.experiment import quantities, recording, step_parts
from nonconv.experiment.candidates import Candidates
from nonconv.experiment.cell import Cell, Stopping, Xi
from nonconv.experiment.identity import identity_and_lineage, name_of
from nonconv.experiment.reading import Reading
from nonconv.experiment.schedules import BatchSizes, describe_schedule, find_period, make_rate, may_oscillate, with_data
from nonconv.experiment.sources import DATA_PATH
from nonconv.experiment.starts import start
from nonconv.faults.blame import blaming, refusal
from nonconv.schedules.batch_size import CONSTANT as CONSTANT_BATCH
from nonconv.schedules.learning_rate import CONSTANT as CONSTANT_RATE

MOST_TABLE_NUMBERS = 5_000_000
"""Numbers in the tables of a discrete law, over all coordinates."""


def read_cell(path: Path, settings: Sequence[str]) -> Cell:
    """Read the experiment of a config file with overrides. Raises ConfigError with every problem."""
    return make_cell(read(path, settings))


@np.errstate(all="ignore")  # what is not finite is looked at, whatever made it so
def make_cell(document: Document) -> Cell:
    """Validate a config and bind it to its components and numbers.

    Raises ConfigError with every problem, and PluginError where a plug-in's own function fails.
    """
    with blaming(lambda: document.catalogue.plugins):
        return _bind(Reading(document, validate(document)))


class _Timetable(NamedTuple):
    """What of a config depends on the step alone. period: of all of it together, in steps; 0 for none."""

    rate: Chosen
    batch: Chosen
    drift: Chosen | None
    period: int


def _bind(config: Reading) -> Cell:
    """Make the cell. Raises ConfigError with every problem."""
    domain = step_parts.domain(config)
    candidates = Candidates(config, domain)
    supply, noise, modifiers = step_parts.supply(config), step_parts.gradient_noise(config), step_parts.modifiers(config)
    begin, xi, coordinates = start(config), candidates.list_xi(), recording.coordinates(config)
    labels = [x.label for x in xi]
    iterates, record = step_parts.iterates(config), recording.record(config)
    table = _timetable(config, supply)
    model = config.model
    plan = plan_for(model.steps, Wanted(*(getattr(model.floors, name) for name in Wanted._fields)), max(table.period, 1))
    recording.check_snapshots(config, len(record), plan.snapshots(record))
    _check_table_size(config)
    _check_stopping(config)
    states, asked = recording.states(config), _quantities(config, candidates, labels, record)
    _check_expectations(config, iterates.labels, xi, record, asked, domain is not None)
    refuse(config.problems)
    # From here on everything is known to fit together; what a plug-in's functions return is still checked.
    optimizer, objective = config.choose("optimizer", model.optimizer), config.objective
    _check_statements(optimizer)
    law = config.law
    program = Program(
        seed=model.seed,
        dim=config.dim,
        steps=model.steps,
        objective=Configured(*objective, objective.component.prepare(objective.parameters, config.size)),
        data=_data(config),
        optimizer=Configured(*optimizer),
        learning_rate=make_rate(table.rate, model.learning_rate.warmup),
        batch_size=BatchSizes(table.batch),
        start=begin,
        record=record,
        plan=plan,
        # The mean of the last half of each path, only if a xi asks for it: it costs a sum per step.
        average_after=model.steps // 2 if "path_mean" in labels else None,
        learning=config.learning,
        supply=supply,
        modifiers=modifiers,
        noise=noise,
        domain=domain,
        averages=iterates.averages,
        own=iterates.own,
    )
    paths = model.paths if isinstance(model.paths, int) else model.paths.max
    minimizer = candidates.find_minimizer(wanted="minimizer" in labels)
    identity, lineage = identity_and_lineage(config.resolved, model)
    cell = Cell(
        name=name_of(Path(config.document.source)),
        resolved=config.resolved,
        model=model,
        identity=identity,
        program=program,
        paths=paths,
        stopping=_stopping_rule(config),
        law=law,
        minimizer=minimizer,
        minima=candidates.minima if candidates.needs_minima(labels) else None,
        xi=tuple(x._replace(point=minimizer) if x.label == "minimizer" else x for x in xi),
        escape_radius=model.escape_radius,
        recorded_paths=min(model.record.paths, paths),
        fan_paths=min(model.record.fan, paths),
        learning_rate=describe_schedule(table.rate, CONSTANT_RATE, 0.0, model.learning_rate.warmup),
        batch_size=describe_schedule(table.batch, CONSTANT_BATCH, 1.0),
        period=table.period,
        files=config.sources.found,
        coordinates=coordinates,
        plugins=config.document.catalogue.plugins,
        swept=model.sweep is not None,
        iterates=iterates.labels,
        drift=describe_schedule(table.drift, CONSTANT_RATE, -np.inf).limits if table.drift else None,
        quantities=asked,
        best=candidates.best if asked else None,
        states=states,
    )
    return cell.with_lineage(lineage)


def _timetable(config: Reading, supply: Supply) -> _Timetable:
    """Return what depends on the step alone; complain about schedules that are at some step not what their kind takes."""
    model = config.model
    rate, batch = config.choose("learning_rate", model.learning_rate), config.choose("batch_size", model.batch_size)
    config.check_values("learning_rate", rate)
    config.check_values("batch_size", batch)
    decays = step_parts.decays(config)
    written = getattr(getattr(model.objective, "data", None), "drift", None)
    drift = config.choose("drift", written) if written else None
    period = find_period([rate, batch, *filter(may_oscillate, decays)], model.steps)
    if not (config.learning and supply.order == "epochs"):  # passes of networks are many, and long
        period = with_data(period, supply, describe_schedule(batch, CONSTANT_BATCH, 1.0).constant, drift, model.steps)
    return _Timetable(rate, batch, drift, period)


def _data(config: Reading) -> Configured[Any]:
    """Return the data with the constants that an engine takes."""
    if config.learning:
        examples = config.examples()
        return Configured(examples, config.loaded, examples.prepare(config.loaded))
    law = config.data.component
    return Configured(law, config.loaded, law.prepare(config.loaded, config.dim))


def _check_expectations(
    config: Reading,
    iterates: Sequence[str],
    xi: Sequence[Xi],
    record: NDArray[np.int64],
    asked: Sequence[Asked],
    has_domain: bool,
) -> None:
    """Complain of expectations about what the run does not record."""
    if config.model.expect is not None:
        names, means, averaged = quantities.names(asked, xi), quantities.means(asked), quantities.names_of_averages(asked, xi)
        learning, component = config.learning, config.objective.component
        networks = learning is not None and learning.held_out[0].shape[1] > 0
        layers = 0 if learning is None else sum(group.fan_in > 0 for group in learning.groups)
        units = isinstance(component, Coupled) and component.idle is not None and layers > 1
        labels = [x.label for x in xi]
        recorded = Recorded(labels, record.tolist(), names, means, iterates, averaged, has_domain, networks, units)
        config.problems += find_unrecorded(config.document, config.model.expect, recorded, config.model.sweep is not None)


def _quantities(config: Reading, candidates: Candidates, xi: Sequence[str], record: NDArray[np.int64]) -> tuple[Asked, ...]:
    """Return the quantities that are measured; complain about those that the experiment does not have."""
    component = config.objective.component
    learning, exact, best = config.learning, True, True
    if config.model.quantities and not config.problems:
        exact = candidates.knows_loss()
        best = (exact or learning is not None) and candidates.best is not None
    held_out = learning is not None and learning.held_out[0].shape[1] > 0
    setting = quantities.Setting(component, best, exact, held_out, xi, record, config.model.steps, config.dim)
    asked, wrong = quantities.bind(config.model.quantities, config.document.catalogue, setting)
    for one in wrong:
        config.complain(*one)
    return asked


def _stopping_rule(config: Reading) -> Stopping | None:
    """Return when a run has enough paths; None if their number is fixed."""
    rule = config.model.paths
    return None if isinstance(rule, int) else Stopping(rule.min, rule.target, rule.of)


def _check_stopping(config: Reading) -> None:
    """Complain if the number of paths depends on a floor that is not measured."""
    rule = _stopping_rule(config)
    if rule and rule.of != "mse" and not getattr(config.model.floors, rule.of):
        config.complain(("paths", "of"), f"the {rule.of} floor is not measured", f"floors: {{{rule.of}: true}}")


def _check_table_size(config: Reading) -> None:
    """Complain where the tables of a discrete law, one per coordinate, do not fit into memory."""
    values = getattr(config.data.parameters, "values", ())
    points = len(values) if isinstance(values, tuple) and isinstance(config.data.component, Distribution) else 0
    if points * config.dim > MOST_TABLE_NUMBERS:
        config.complain((*DATA_PATH, "values"), f"{points} points for each of {config.dim} coordinates do not fit into memory")


def _check_statements(optimizer: Chosen) -> None:
    """Try what the verdict will ask of the optimizer, before paths are simulated in vain. Raises PluginError."""
    rule, h = optimizer
    n = np.array([1.0, 2.0, 1e6])
    if getattr(rule.relative_size(h, n.copy()), "shape", None) != n.shape:
        raise refusal(rule.relative_size, "relative_size must return an array of the shape of n")
    if not isinstance(rule.can_be_undefined(h), bool | np.bool_):
        raise refusal(rule.can_be_undefined, "can_be_undefined must return True or False")
    if not isinstance(rule.bounded_direction(h), bool | np.bool_):
        raise refusal(rule.bounded_direction, "bounded_direction must return True or False")
    if rule.squares:
        keeps, divisor = rule.squares.keeps(h), rule.squares.divisor(h)
        if not isinstance(keeps, float | int) or not 0.0 <= keeps <= 1.0:
            raise refusal(rule.squares.keeps, f"keeps of squares must return a number from 0 to 1, got {keeps!r}")
        if not isinstance(divisor, float | int) or not divisor >= 0.0:
            raise refusal(rule.squares.divisor, f"divisor of squares must return a number of at least 0, got {divisor!r}")
