"""How large the objective is at the iterates, and how steep: F(theta_n) - F* and |grad F(theta_n)|^2."""

from typing import NamedTuple

from nonconv.components.quantity import Quantity


class ExcessRisk(NamedTuple):
    """F(theta_n) - F*, where F(theta) is the expected loss of one sample, and F* its value at the minimizer.

        F(theta) = E sum_j loss(theta_j, X_j)

    Over all coordinates, and exactly: the expectation is a formula where the loss is a polynomial in x, a sum over the values
    of a finite law, and a quadrature otherwise. An objective over examples, as a linear model, has the mean loss of those
    that it learns from. Where F is infinite, the expected difference of two losses is meant, if there is one.
    """


class GradientNorm(NamedTuple):
    """|grad F(theta_n)|^2, the squared norm of the mean gradient, over all coordinates.

    Exactly, as excess_risk. A network learns from the rows of a table, or F is the mean loss of its held-out examples; penalty
    included.
    """


EXCESS_RISK = Quantity(
    name="excess_risk",
    parameters=ExcessRisk,
    paper="Bottou, Curtis, Nocedal (2018), Methods for machine learning, SIAM Review 60, 4.2",
    kind="mean",
    title=lambda h: "E F(Θₙ) − F*",
    label=lambda h, xi: "excess_risk",
    needs=lambda h: ("minimizer",),
    measure=lambda h, seen: seen.excess_risk(),
    every_path=True,
    of_averages=True,
)
GRADIENT_NORM = Quantity(
    name="gradient_norm",
    parameters=GradientNorm,
    paper="Bottou, Curtis, Nocedal (2018), Methods for machine learning, SIAM Review 60, 4.3",
    kind="mean",
    title=lambda h: "E |∇F(Θₙ)|²",
    label=lambda h, xi: "gradient_norm",
    needs=lambda h: ("mean gradient",),
    measure=lambda h, seen: seen.squared_gradient(),
    every_path=True,
    of_averages=True,
)
