"""The optimizers, one family per file. A new one is a section in a file and a name in this list.

Each file states, in this order: the parameters (a NamedTuple with the equations in its docstring), the state that
survives a step, the table of what depends on the step, and `update`, the rule itself in its paper's letters.
"""

from nonconv.components.registry import Registry, open_room
from nonconv.optimizers.adabelief import ADABELIEF
from nonconv.optimizers.adadelta import ADADELTA
from nonconv.optimizers.adagrad import ADAGRAD
from nonconv.optimizers.adam import ADAM, ADAMW, AMSGRAD
from nonconv.optimizers.adamax import ADAMAX, NADAMAX
from nonconv.optimizers.ademamix import ADEMAMIX
from nonconv.optimizers.adopt import ADOPT
from nonconv.optimizers.modifiers import Common
from nonconv.optimizers.momentum import MOMENTUM
from nonconv.optimizers.nadam import NADAM
from nonconv.optimizers.radam import RADAM
from nonconv.optimizers.rmsprop import RMSPROP
from nonconv.optimizers.schedule_free import SCHEDULE_FREE_ADAMW, SCHEDULE_FREE_SGD
from nonconv.optimizers.sgd import SGD
from nonconv.optimizers.signs import LION, SIGN_DESCENT, SIGNUM
from nonconv.optimizers.yogi import YOGI

OPTIMIZERS = Registry(
    "optimizer",
    "optimizers",
    SGD,
    MOMENTUM,
    ADAGRAD,
    RMSPROP,
    ADAM,
    ADAMW,
    AMSGRAD,
    ADABELIEF,
    NADAM,
    RADAM,
    ADAMAX,
    NADAMAX,
    ADADELTA,
    YOGI,
    ADOPT,
    ADEMAMIX,
    LION,
    SIGNUM,
    SIGN_DESCENT,
    SCHEDULE_FREE_SGD,
    SCHEDULE_FREE_ADAMW,
    common=Common,
)
open_room(__name__, OPTIMIZERS)
