"""What the data of networks have in common: how they depend on the step."""

from typing import Annotated, Any, NamedTuple

from typing_extensions import Doc

from nonconv.components.definitions import OneOf
from nonconv.data.common import Hold


class Common(NamedTuple):
    """Parameters of all data of networks."""

    hold: Hold = None
    drift: Annotated[
        Any, OneOf("drift"), Doc("what is added to every target, as a function of the step; left out: nothing")
    ] = None
