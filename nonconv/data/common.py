"""What the data of a separable objective have in common: how they depend on the step."""

from typing import Annotated, Any, NamedTuple

from annotated_types import Interval
from typing_extensions import Doc

from nonconv.components.definitions import OneOf, Order

Hold = Annotated[int | None, Interval(ge=1), Doc("how many steps in a row use each batch; left out: one")]
Drift = Annotated[Any, OneOf("drift"), Doc("what is added to every datum, as a function of the step; left out: nothing")]


class Common(NamedTuple):
    """Parameters of all data."""

    order: Annotated[
        Order | None,
        Doc(
            "rows or equally likely values are drawn with replacement (also if left out); or passed through, "
            "shuffled for each pass (epochs), once, or never (cyclic)"
        ),
    ] = None
    hold: Hold = None
    drift: Drift = None
