"""What cells of a sweep share is right for each, whoever comes first; also where numbers are equal but written differently."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kit.experiments import SGD, written
from kit.plugins import config, write
from nonconv.components.definitions import Configured, Distribution
from nonconv.data.continuous import UNIFORM, Uniform
from nonconv.data.discrete import DISCRETE, Discrete
from nonconv.engine.program import batch_key
from nonconv.experiment import minima
from nonconv.experiment.binding import read_cell
from nonconv.experiment.cell import Cell
from nonconv.experiment.minima import Minima, find_minima
from nonconv.faults.errors import ConfigError, PluginError
from nonconv.formulas.constants import Constants
from nonconv.objectives import OBJECTIVES
from nonconv.objectives.formula import Formula
from nonconv.optimizers.averages import remainder

ZEROS = (0.0, -0.0)
"""Equal, but 1/c tells them apart."""


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is known of other tests, and they know nothing of these."""
    monkeypatch.setattr(minima, "_FOUND", {})


def formula(value: str, c: float) -> dict[str, Any]:
    return {"name": "formula", "value": value, "constants": {"c": c}}


def cell(tmp_path: Path, **changes: Any) -> Cell:
    return read_cell(written(tmp_path / "in", SGD | changes), [])


def test_constants_are_equal_if_they_are_written_alike() -> None:
    one, other = (Constants(c=zero) for zero in ZEROS)
    assert one != other
    assert one != 0.0
    assert one == Constants(c=0.0)
    assert hash(one) == hash(Constants(c=0.0))
    assert Constants(a=1.0, b=2.0) == Constants(b=2.0, a=1.0)


def test_cells_with_other_batches_do_not_move_together(tmp_path: Path) -> None:
    keys = [batch_key(cell(tmp_path, batch_size=formula("where(1/c > 0, 1, 2)", zero)).program) for zero in ZEROS]
    assert keys[0] != keys[1]


def test_an_average_has_the_products_of_its_own_decay(tmp_path: Path) -> None:
    value, found = "where(1/c > 0, 0.9999, 0.99999)", []
    for zero in ZEROS:
        optimizer = cell(tmp_path, optimizer={"name": "adam", "beta2": formula(value, zero)}).program.optimizer
        found.append(float(remainder(optimizer.parameters.beta2, np.array([9000.0]))[0]))
    assert found == pytest.approx([0.9999**9000, 0.99999**9000], rel=1e-9)


def test_a_rate_is_refused_whatever_was_accepted_before(tmp_path: Path) -> None:
    value = "0.1 + 0.2*atan(1/c)"
    cell(tmp_path, learning_rate=formula(value, 0.0))
    with pytest.raises(ConfigError, match="learning_rate"):
        cell(tmp_path, learning_rate=formula(value, -0.0))


def found(loss: str, data: Distribution, law: Any, **more: Any) -> tuple[Minima, ...]:
    """The minima of a formula's mean loss."""
    objective: Any = OBJECTIVES["formula"]
    dim = int(more.get("dim", 1))
    h = objective.complete(Formula(loss=loss, data=1, **more))
    made = objective.made(h)
    drawn = Configured(data, law, data.prepare(law, dim))
    return find_minima(Configured(made, h, made.prepare(h, dim)), drawn, data.law(law, dim))


def test_coordinates_that_differ_by_the_sign_of_a_zero_have_minima_of_their_own() -> None:
    loss = "where(1/c > 0, (theta - 1)**2, (theta + 1)**2) + 0*x"
    first, second = found(loss, UNIFORM, Uniform(), dim=2, constants=Constants(c=ZEROS))
    assert first[0].low == pytest.approx(1.0)
    assert second[0].low == pytest.approx(-1.0)


def test_laws_with_the_same_constants_have_minima_of_their_own() -> None:
    """A last bit of a probability, which the table of aliases rounds away."""
    chance, differ = np.random.default_rng(0), 0
    for _ in range(40):
        *some, most = np.sort(chance.dirichlet([1, 1, 1])).tolist()
        values = tuple(chance.normal(size=3).tolist())
        laws = [Discrete(values, (*some, last)) for last in (most, float(np.nextafter(most, 2)))]
        together = [found("(theta - x)**2", DISCRETE, law) for law in laws]
        minima._FOUND.clear()
        assert found("(theta - x)**2", DISCRETE, laws[1]) == together[1]
        differ += together[0] != together[1]
    assert differ


def test_a_law_cannot_be_changed(tmp_path: Path) -> None:
    law = cell(tmp_path).law
    assert law is not None
    assert not any(array.flags.writeable for array in law.arrays().values())


MOVED = """\
from typing import Annotated, Any, NamedTuple
import numpy as np
from nonconv.plugin import OBJECTIVES, Doc, Lanes, Objective, OneOf
class Moved(NamedTuple):
    '''A parabola about the datum and one.'''
    data: Annotated[Any, OneOf("data"), Doc("what theta is compared with")]
class MovedConstants(NamedTuple):
    one: Lanes
def prepare(h, dim): return MovedConstants(np.ones(dim))
def loss(k, theta, x): return 0.5 * (theta - x - 1.0) ** 2
def gradient(k, theta, x): return theta - x - 1.0
def minimizer(h, law):
    point = law.mean
    point += 1.0
    return point
OBJECTIVES.register(Objective(name="moved", parameters=Moved, paper="none", constants=MovedConstants, prepare=prepare,
                              loss=loss, gradient=gradient, minimizer=minimizer))
"""


@pytest.mark.usefixtures("plugin_folder")
def test_a_plugin_that_would_change_a_law_is_told_where() -> None:
    write("moved.py", MOVED)
    path = config(plugins=["moved.py"], optimizer="sgd", objective={"name": "moved", "data": "normal"})
    with pytest.raises(PluginError, match=r"moved.py:14:5: cannot be run: ValueError: output array is read-only"):
        read_cell(path, [])
