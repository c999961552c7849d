"""What is seen of a block: memory that is taken again, snapshots past the caches, and distances added up in one order."""

import numpy as np
import pytest

from kit.networks import make
from nonconv.engine import coupled, room
from nonconv.engine.blocks import simulate
from nonconv.engine.distances import squared_distances
from nonconv.engine.fused import Fused
from nonconv.engine.program import Motion
from nonconv.engine.reference import Reference

LARGE = room.LEAST_BYTES // 8


def test_room_is_taken_again_when_nothing_refers_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """And never while anything does, a view of a view included; a control, since what is taken again is overwritten."""
    monkeypatch.setattr(room, "_kept", room._Kept())  # other tests leave some
    first = room.room(2, LARGE)
    place, part = first.ctypes.data, first[1, 5:]
    del first
    second = room.room(2, LARGE)
    assert second.ctypes.data != place
    part[:], second[:] = 1.0, 2.0
    assert np.all(part == 1.0)
    del part
    assert room.room(LARGE, 2).ctypes.data == place


def test_room_is_bounded_and_begins_at_a_line() -> None:
    held = [room.room(LARGE + 8 * k) for k in range(2 * room.MOST_KEPT)]
    assert len(room._kept.arrays) == room.MOST_KEPT
    assert all(array.ctypes.data % room.LINE == 0 for array in held)
    assert len({array.ctypes.data for array in held}) == len(held)


@pytest.mark.compiles
@pytest.mark.parametrize("paths", [8, 16, 12])
def test_snapshots_past_the_caches_have_the_same_bits(paths: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of blocks of whole lines; others are written as usual."""
    monkeypatch.setattr(coupled, "SHARE_OF_CACHE", 0)
    monkeypatch.setattr(room, "LEAST_BYTES", 0)
    program, stop = make({"hidden": (9,)}, steps=7), np.zeros(1, dtype=np.uint8)
    streams, seen = coupled._streams, []

    def noted(m: Motion, lanes: int) -> bool:
        seen.append(streams(m, lanes))
        return seen[-1]

    monkeypatch.setattr(coupled, "_streams", noted)
    ours, reference = (simulate(program, engine(program), 0, paths, stop).theta for engine in (Fused, Reference))
    assert np.array_equal(ours, reference)
    assert seen == [paths % 8 == 0]


@pytest.mark.compiles
@pytest.mark.parametrize("shape", [(3, 5, 2), (3, 64, 1), (2, 100, 8), (2, 70, 63), (2, 70, 64)])
def test_distances_are_added_up_in_one_order(shape: tuple[int, int, int]) -> None:
    """Bit for bit, whichever adds them up, with infinity and nan."""
    random = np.random.default_rng(4)
    theta = random.normal(size=shape) * 10.0 ** random.integers(-3, 4, shape)
    theta[1, 2, 0], theta[1, 1, -1] = np.inf, np.nan
    for target in (random.normal(size=(shape[1], 1)), random.normal(size=shape[1:])):
        found, expected = np.empty((shape[0], shape[2])), np.zeros((shape[0], shape[2]))
        squared_distances(theta, target, found)
        for j in range(shape[1]):
            expected += (theta[:, j] - target[j]) ** 2
        assert np.array_equal(found, expected, equal_nan=True)
