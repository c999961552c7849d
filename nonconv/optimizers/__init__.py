"""The optimizers, one family a file. A new one is a section in a file and a name in this list."""

from nonconv.components.definitions import Registry
from nonconv.optimizers.adabelief import ADABELIEF
from nonconv.optimizers.adagrad import ADAGRAD
from nonconv.optimizers.adam import ADAM, AMSGRAD
from nonconv.optimizers.momentum import MOMENTUM
from nonconv.optimizers.rmsprop import RMSPROP
from nonconv.optimizers.sgd import SGD

OPTIMIZERS = Registry("optimizer", "optimizers", SGD, MOMENTUM, ADAGRAD, RMSPROP, ADAM, AMSGRAD, ADABELIEF)
