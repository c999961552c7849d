"""nonconv against what one would run instead, alternating on this machine: python bench.py [--quick] [--rounds N]"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from machine import available_processors, description, have
from tables import Table, as_markdown, show

HERE = Path(__file__).parent
PYTHON = sys.executable
PRINTED = re.compile(r"([\d.]+) ns/path-step, E .* = ([\d.]+)")
GCC = ("gcc", "-O3", "-march=native", "-fno-math-errno", "-ffp-contract=off")
