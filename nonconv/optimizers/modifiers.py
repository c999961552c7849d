"""What every optimizer takes: clipping and weight decay, which change the gradient and the iterate beside the rule."""

from typing import Annotated, Literal, NamedTuple

from annotated_types import Interval
from typing_extensions import Doc

Decay = Literal["decoupled", "l2"]


class Common(NamedTuple):
    """Parameters of every optimizer: g is clipped by value, then by norm; then L2 adds weight_decay theta to it.

    Where implementations differ: PyTorch's clip_grad_norm_ has clip_eps 1e-6, Optax's clip_by_global_norm 0. PyTorch's
    Adam(weight_decay) is l2, its AdamW decoupled: theta is multiplied by 1 - rate weight_decay before the step.
    """

    clip_value: Annotated[float | None, Interval(gt=0), Doc("the largest size of a coordinate of the gradient")] = None
    clip_norm: Annotated[float | None, Interval(gt=0), Doc("the largest Euclidean norm of the gradient")] = None
    clip_eps: Annotated[
        float | None, Interval(ge=0), Doc("added to the norm that the gradient is divided by; 0 if left out, 1e-6 in PyTorch")
    ] = None
    weight_decay: Annotated[float | None, Interval(ge=0), Doc("how strongly theta is drawn to 0; not if left out")] = None
    decay_form: Annotated[
        Decay | None, Doc("decoupled from the gradient as in AdamW (also if left out), or l2: part of the gradient")
    ] = None
