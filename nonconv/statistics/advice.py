"""What would decide an undecided run: more steps, more paths, or nothing; with a number where one is known."""

import math

from nonconv.experiment.structure import Structure
from nonconv.statistics.decision import Seen

LONGER = 8
"""How many times more steps are advised where nothing says how many it takes: three doublings make all spans new."""
RELAXATIONS = 64.0
"""Steps of a run, in relaxation times, with which its first span has forgotten the start."""
MOST_ADVISED = 10**15
"""Most steps or paths that are advised."""
LEAST_FALL = 0.05
"""A drive that falls more slowly than this per doubling is waited for, if it will fall faster."""
LEAST_TOLD, LEVEL_FACTOR = 0.02, 1.5
"""The least distance that more paths are advised to tell from none, and by how much the rising level adds to their number."""


def take_steps(steps: int) -> str:
    """Write how many steps to take, rounded up to two digits; or how many it would take, if no run is so long."""
    if steps > MOST_ADVISED:
        return f"it would take {float(steps):.0e} steps" if steps < 1e300 else "no number of steps is enough"
    unit = 10 ** max(math.floor(math.log10(steps)) - 1, 0)
    return f"take at least {math.ceil(steps / unit) * unit} steps"


def more_steps(known: Structure, steps: int) -> str:
    """Write how many steps to take where a run of `steps` has not forgotten its start, or something still settles."""
    relaxed = RELAXATIONS * known.relaxation
    return take_steps(max(LONGER * steps, math.ceil(relaxed) if math.isfinite(relaxed) else 0))


def more_paths(paths: int, half: float, wanted: float) -> str:
    """Write with how many paths an interval of this half-width has the wanted one; at least twice as many, to one digit."""
    # The level rises with the number of paths, so a little more than the square of the ratio.
    ratio = half / max(wanted, LEAST_TOLD) if math.isfinite(half) else 0.0
    more = LEVEL_FACTOR * paths * ratio * ratio
    if more > MOST_ADVISED:
        return f"it would take {more:.0e} paths" if more < 1e300 else "no number of paths is enough"
    unit = 10 ** math.floor(math.log10(max(2.0 * paths, more)))
    return f"take about {math.ceil(max(2.0 * paths, more) / unit) * unit} paths"


def for_a_fall(known: Structure, seen: list[Seen], steps: int, paths: int, least_share: float) -> str:
    """Return what would show the fall of floors that a reason is declared for, but that do not fall.

    seen: what these floors did over the last two doublings. least_share: the slope of a floor that is accounted for, by that
    of the drive.
    """
    drive = (known.drive[2] - known.drive[0]) / 2.0 if known.forbids and known.drive else 0.0
    if drive > -LEAST_FALL and known.fall_steps:
        return take_steps(known.fall_steps)
    wide = max(seen, key=lambda at: at.high - at.low)
    half = (wide.high - wide.low) / 2.0
    if drive > -LEAST_FALL / 10.0:
        return more_paths(paths, half, -wide.slope) if wide.slope < 0 and half > 0 else more_steps(known, steps)
    # Floors that are known to lag behind the schedules need time, not paths.
    if any(at.low > least_share * drive for at in seen) or not math.isfinite(drive):
        return more_steps(known, steps)
    return more_paths(paths, half, -drive)


def for_a_stand(known: Structure, seen: list[Seen], border: float, steps: int, paths: int) -> str:
    """Return what would show whether floors stand. seen: as in `for_a_fall`. border: slopes above -border stand."""
    wide = [at for at in seen if at.state == "unclear" and math.isfinite(at.high - at.low)]
    if not wide or any(at.state in ("grows", "falls") for at in seen):
        return more_steps(known, steps)
    # The interval must clear the further of the two borders; at a border any number of paths would be too few.
    widest = max(wide, key=lambda at: at.high - at.low)
    return more_paths(paths, (widest.high - widest.low) / 2.0, max(abs(widest.slope), abs(widest.slope + border)))
