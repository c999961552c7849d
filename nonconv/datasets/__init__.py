"""What a network learns from, one family a file: pairs (x, y) drawn from a law, or the rows of a table."""

from nonconv.components.definitions import Registry
from nonconv.datasets.function import FUNCTION
from nonconv.datasets.table import CSV, DIABETES, DIGITS
from nonconv.datasets.teacher import TEACHER

DATASETS = Registry("dataset", "datasets", TEACHER, FUNCTION, CSV, DIABETES, DIGITS)
