"""The optimizers, one family per file. A new one is a section in a file and a name in this list.

Each file states, in this order: the parameters (a NamedTuple with the equations in its docstring), the state that
survives a step, the table of what depends on the step, and `update`, the rule itself in its paper's letters.
"""

from nonconv.components.registry import Registry
from nonconv.optimizers.adabelief import ADABELIEF
from nonconv.optimizers.adagrad import ADAGRAD
from nonconv.optimizers.adam import ADAM, AMSGRAD
from nonconv.optimizers.modifiers import Common
from nonconv.optimizers.momentum import MOMENTUM
from nonconv.optimizers.rmsprop import RMSPROP
from nonconv.optimizers.sgd import SGD

OPTIMIZERS = Registry("optimizer", "optimizers", SGD, MOMENTUM, ADAGRAD, RMSPROP, ADAM, AMSGRAD, ADABELIEF, common=Common)
