"""Where iterates are on average."""

from typing import Annotated, NamedTuple

from annotated_types import Interval
from typing_extensions import Doc

from nonconv.components.quantity import Quantity


class Mean(NamedTuple):
    """E theta_n, of one coordinate: it tells a bias, which stays however many paths there are, from noise, which averages out.

    E |theta_n - xi|^2 has both: it is the variance plus (E theta_n - xi)^2.
    """

    coordinate: Annotated[int, Interval(ge=1), Doc("which coordinate, from 1 on")] = 1


MEAN = Quantity(
    name="mean",
    parameters=Mean,
    paper="Dieuleveut, Durmus & Bach (2020), arXiv:1707.06386: the bias of a constant rate",
    kind="signed mean",
    of_averages=True,
    title=lambda h: f"E Θₙ{'' if h.coordinate == 1 else f', coordinate {h.coordinate}'}",
    label=lambda h, xi: "mean" if h.coordinate == 1 else f"mean: coordinate {h.coordinate}",
    measure=lambda h, seen: seen.iterates(h.coordinate),
)
