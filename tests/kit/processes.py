"""Wait for what other threads and processes do."""

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], bool]) -> None:
    """Bounded, so that a failure ends."""
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError(condition)
