"""What a network learns from, one family a file: pairs (x, y) drawn from a law, or the rows of a table."""

from nonconv.components import Registry
from nonconv.examples.function import FUNCTION
from nonconv.examples.table import CSV, DIABETES, DIGITS
from nonconv.examples.teacher import TEACHER

EXAMPLES = Registry("examples", "data sets", TEACHER, FUNCTION, CSV, DIABETES, DIGITS)
