# mypy: ignore-errors
"""The loops around an objective that couples coordinates, as they are compiled (see `coupled`). Imported, they are not used."""

# Eight paths at a time, with all coordinates and examples: their state, weights and gradients fit into the first cache, and
# one vector register holds a number of all eight. With 256 lanes and a loop per product, a 4-16-1 network took half as long
# again, a 20-64-64-5 network four times as long. The paths of still larger networks move one by one (`tiles`).

from numba import njit

from nonconv.engine import deck as decks
from nonconv.engine.compiler import ONLY_FROM_KERNELS, definition
from nonconv.engine.draws import fill_examples, fill_one
from nonconv.engine.pieces import call
from nonconv.engine.streams import stream

deal = definition(decks.deal)
APART = ("take", "put", "fill", "deal", "take_examples", "repeat")
"""Functions that are called from several places, once for many numbers: to compile them into each takes most of the time."""


@njit(**ONLY_FROM_KERNELS)
def take(theta, first, here, lanes, w):
    """Copy some paths of theta (rows, paths) to w, flat: row after row of lanes; those left over repeat the last path."""
    for j in range(theta.shape[0]):
        for i in range(lanes):
            w[j * lanes + i] = theta[j, first + min(i, here - 1)]


@njit(**ONLY_FROM_KERNELS)
def put(w, first, here, lanes, theta):
    """Copy the lanes of w, flat, back to paths of theta (rows, paths); the inverse of `take`."""
    for j in range(theta.shape[0]):
        for i in range(here):
            theta[j, first + i] = w[j * lanes + i]


@njit(**ONLY_FROM_KERNELS)
def fill(u, pairs, lanes, draws, examples, draw, replicate, k0, k1):
    """Write the uniforms of some examples to u (draws + 1, examples * lanes)."""
    if lanes == 1:
        fill_one(u, pairs, draws, examples, draw, replicate, k0, k1)
    else:
        fill_examples(u, lanes, draws, examples, draw, replicate, k0, k1)


@njit(**ONLY_FROM_KERNELS)
def repeat(table, first, number, lanes, out):
    """Write columns first, first + 1, ... of a table to out, each repeated for all lanes."""
    for j in range(table.shape[0]):
        for s in range(number):
            for i in range(lanes):
                out[j, s * lanes + i] = table[j, first + s]


@njit(**ONLY_FROM_KERNELS)
def clear(out):
    """Set a flat array to 0."""
    for i in range(out.size):
        out[i] = 0.0


@njit(**ONLY_FROM_KERNELS)
def take_examples(u, examples, draw, begin, fresh, deck, dealt, sizes):
    """Replace uniforms by those that select the next rows; of a batch that is held, by those that it had."""
    lanes, _, _, rows, _, _, _, order, hold, _, _, _ = sizes
    at = (draw - begin) * lanes
    if fresh:
        deal(deck, draw, examples, u, lanes, order, rows)
    for i in range(examples * lanes if hold > 1 else 0):
        if fresh:
            dealt[at + i] = u[0, i]
        else:
            u[0, i] = dealt[at + i]


@njit(**ONLY_FROM_KERNELS)
def advance(
    theta, state, averages, average, lowest, highest, coefficients, batch_size, marks, snapshots, seen_averages,
    hit_step, hit_row, hit_lane, sampled, sampled_averages, first_step, average_from,
    first_draw, again, again_end, first_replicate, k0, k1, j0, j1, branched, n0, n1, stop,
    least, watched, due, every, pieces, sizes, scratch,
):  # fmt: skip
    """Move the paths of a block in place (engine.program.Engine.advance), LANES of them at a time.

    pieces: coupled.Pieces as a tuple. sizes: coupled.Sizes as a tuple. scratch: see coupled.Kernel. j0, j1: the key of draws
    before `branched`. again, ..., again_end - 1: the draws that are dealt again to restore the deck.
    """
    sample, sample_constants, learn, finish, constants, step, ends, disturb, noise_constants, own = pieces
    lanes, group, draws, rows, _, _, _, order, hold, drift, averages_at, streams = sizes
    dim, paths = theta.shape
    # Of so many strata `sampled` has the last ones.
    strata = len(hit_step) // paths
    skipped = strata - len(sampled)
    w, w_flat, g, g_flat, s, means, total, low, high, smallest, u, pairs, x, y, work, deck, dealt, noise, out = scratch
    for first in range(0, paths, lanes):
        here = min(lanes, paths - first)
        take(theta, first, here, lanes, w_flat)
        for slot in range(len(state)):
            take(state[slot], first, here, lanes, s[slot])
        for a in range(len(averages)):
            take(averages[a], first, here, lanes, means[a])
        take(average, first, here, lanes, total)
        take(lowest, first, here, lanes, low)
        take(highest, first, here, lanes, high)
        take(least, first, here, lanes, smallest)
        at = again
        while at < again_end:
            examples = min(group, min(branched, again_end) - at if at < branched else again_end - at)
            b0, b1 = (j0, j1) if at < branched else (k0, k1)
            fill(u, pairs, lanes, draws, examples, at, first_replicate + first, b0, b1)
            deal(deck, at, examples, u, lanes, order, rows)
            at += examples
        draw, begin, mark, watch = first_draw, first_draw, 0, due
        hit, hits = first * strata + skipped * here, (first + here) * strata
        while hit < hits and hit_step[hit] < first_step:
            hit += 1
        # Each step clears what it has used.
        clear(g_flat)
        for t in range(len(batch_size)):
            # Within a hold the draws of its batch are made again.
            fresh = t == 0 or (first_step + t - 1) % hold == 0
            begin = draw if fresh else begin
            draw = begin
            # A batch in groups of examples, which fit into the first cache; their gradients add up in g.
            left = batch_size[t]
            while left > 0:
                if stop[0] != 0:
                    return
                examples = min(group, left)
                n = examples * lanes
                fill(u, pairs, lanes, draws, examples, draw, first_replicate + first, k0, k1)
                if order > 0:
                    take_examples(u, examples, draw, begin, fresh, deck, dealt, sizes)
                call(sample, (sample_constants, n, u, x, y))
                if drift >= 0:
                    for j in range(len(y)):
                        for i in range(n):
                            y[j, i] += coefficients[t, drift]
                call(learn, (constants, True, n, w, x, y, g, work))
                draw += examples * draws
                left -= examples
            share, one = 1.0 / batch_size[t], min(group, 1)  # not a literal, for which all would be compiled again
            if disturb != 0:
                call(finish, (constants, share, w_flat, g_flat))
                fill(noise, pairs, lanes, dim, one, (first_step + t - 1) * dim, first_replicate + first, n0, n1)
                call(disturb, (noise_constants, noise, g))
            call(step, (ends, constants, coefficients, t, share, w_flat, g_flat, s))
            for a in range(len(averages)):
                keep, weight = coefficients[t, averages_at + 2 * a], coefficients[t, averages_at + 2 * a + 1]
                for i in range(w_flat.size):
                    means[a, i] = keep * means[a, i] + weight * w_flat[i]
            if t >= average_from:
                for i in range(total.size):
                    total[i] += w_flat[i]
            for i in range(low.size):
                # A nan compares false, so it is ignored as by np.fmin in the reference engine.
                low[i] = w_flat[i] if w_flat[i] < low[i] else low[i]
                high[i] = w_flat[i] if w_flat[i] > high[i] else high[i]
            if t == watch:
                for i in range(smallest.size):
                    smallest[i] = min(smallest[i], s[watched, i])
                watch += every
            looked = mark < len(marks) and marks[mark] == t
            wanted = looked and seen_averages.shape[1] > 0
            found = hit < hits and hit_step[hit] == first_step + t and sampled_averages.shape[1] > 0
            if own != 0 and (wanted or found):
                call(own, (coefficients, t, w_flat, s, out))
            if looked:
                if streams:
                    stream((dim, lanes), w_flat, (0, lanes), snapshots[mark], (first, paths))
                else:
                    put(w_flat, first, here, lanes, snapshots[mark])
            if wanted:
                for a in range(len(averages)):
                    put(means[a], first, here, lanes, seen_averages[mark, a])
                if own != 0:
                    put(out, first, here, lanes, seen_averages[mark, len(averages)])
            mark += 1 if looked else 0
            while hit < hits and hit_step[hit] == first_step + t:
                row, path = hit_row[hit] - skipped, hit_lane[hit]
                for j in range(dim):
                    at = j * lanes + path - first
                    sampled[row, j, path] = w_flat[at]
                    for a in range(len(averages) if found else 0):
                        sampled_averages[row, a, j, path] = means[a, at]
                    if own != 0 and found:
                        sampled_averages[row, len(averages), j, path] = out[at]
                hit += 1
        put(w_flat, first, here, lanes, theta)
        for slot in range(len(state)):
            put(s[slot], first, here, lanes, state[slot])
        for a in range(len(averages)):
            put(means[a], first, here, lanes, averages[a])
        put(total, first, here, lanes, average)
        put(low, first, here, lanes, lowest)
        put(high, first, here, lanes, highest)
        put(smallest, first, here, lanes, least)


@njit(**ONLY_FROM_KERNELS)
def risks(theta, features, targets, out, stop, pieces, sizes, scratch):
    """Write mean loss and share of wrong classes to out (engine.program.Engine.risks)."""
    _, _, learn, _, constants, _, _, _, _, _ = pieces
    lanes, group, _, _, _, _, _, _, _, _, _, _ = sizes
    (snapshots, _, paths), number = theta.shape, features.shape[1]
    w, w_flat, total, x, y, found, work = scratch
    for first in range(0, paths, lanes):
        here = min(lanes, paths - first)
        for r in range(snapshots):
            if stop[0] != 0:
                return
            take(theta[r], first, here, lanes, w_flat)
            for row in range(2):
                clear(total[row])
            for h in range(0, number, group):
                examples = min(group, number - h)
                repeat(features, h, examples, lanes, x)
                repeat(targets, h, examples, lanes, y)
                call(learn, (constants, False, examples * lanes, w, x, y, found, work))
                for row in range(2):
                    for e in range(examples):
                        for i in range(lanes):
                            total[row, i] += found[row, e * lanes + i]
            for row in range(2):
                for i in range(here):
                    out[row, r, first + i] = total[row, i] / number


@njit(**ONLY_FROM_KERNELS)
def noises(theta, features, targets, out, stop, pieces, sizes, scratch):
    """Write the mean gradient's square and the gradient's noise to out (engine.program.Engine.noises)."""
    _, _, learn, finish, constants, _, _, _, _, _ = pieces
    lanes, _, _, _, _, _, _, _, _, _, _, _ = sizes
    (snapshots, dim, paths), number = theta.shape, features.shape[1]
    w, w_flat, g, g_flat, mean, mean_flat, square, x, y, work = scratch
    for first in range(0, paths, lanes):
        here = min(lanes, paths - first)
        for r in range(snapshots):
            take(theta[r], first, here, lanes, w_flat)
            clear(square)
            clear(mean_flat)
            for h in range(number):
                if stop[0] != 0:
                    return
                clear(g_flat)
                repeat(features, h, 1, lanes, x)
                repeat(targets, h, 1, lanes, y)
                call(learn, (constants, True, lanes, w, x, y, g, work))
                share = 1.0 / (h + 1)
                for j in range(dim):
                    for i in range(lanes):  # Welford (1962), so that rounding makes no variance negative
                        away = g[j, i] - mean[j, i]
                        mean[j, i] += away * share
                        square[i] += away * (g[j, i] - mean[j, i])
            call(finish, (constants, 1.0, w_flat, mean_flat))
            for i in range(here):
                out[0, r, first + i] = 0.0
                out[1, r, first + i] = square[i] / max(number - 1, 1)
                for j in range(dim):
                    out[0, r, first + i] += mean[j, i] * mean[j, i]
