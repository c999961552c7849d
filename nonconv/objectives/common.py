"""What all objectives have in common."""

from typing import Annotated, Any, NamedTuple

from typing_extensions import Doc

from nonconv.components.definitions import OneOf


class Common(NamedTuple):
    """Parameters of every objective."""

    gradient_noise: Annotated[
        Any,
        OneOf("data"),
        Doc("a law that is added to the gradient, a number of its own for each coordinate and step; left out: none"),
    ] = None
