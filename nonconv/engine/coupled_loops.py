# mypy: ignore-errors
"""The loops around an objective that couples coordinates, as they are compiled (see `coupled`). Imported, they are not used."""

# Eight paths at a time, with all coordinates and examples: their state, weights and gradients fit into the first cache, and
# one vector register holds a number of all eight. With 256 lanes and a loop per product, a 4-16-1 network took half as long
# again, a 20-64-64-5 network four times as long.

from numba import njit

from nonconv.engine import deck as decks
from nonconv.engine.compiler import ONLY_FROM_KERNELS, definition
from nonconv.engine.draws import fill_examples
from nonconv.engine.pieces import call

deal = definition(decks.deal)


@njit(**ONLY_FROM_KERNELS)
def take(theta, first, here, w):
    """Copy some paths of theta (rows, paths) to the lanes of w; lanes left over repeat the last path."""
    for j in range(w.shape[0]):
        for i in range(w.shape[1]):
            w[j, i] = theta[j, first + min(i, here - 1)]


@njit(**ONLY_FROM_KERNELS)
def put(w, first, here, theta):
    """Copy the lanes of w back to paths of theta (rows, paths); the inverse of `take`."""
    for j in range(w.shape[0]):
        for i in range(here):
            theta[j, first + i] = w[j, i]


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
    lanes, _, _, rows, _, _, _, order, hold, _, _ = sizes
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
    lanes, group, draws, rows, _, _, _, order, hold, drift, averages_at = sizes
    dim, paths = theta.shape
    # Of so many strata `sampled` has the last ones.
    strata = len(hit_step) // paths
    skipped = strata - len(sampled)
    w, w_flat, g, g_flat, s, u, x, y, work, deck, dealt, noise, out = scratch
    for first in range(0, paths, lanes):
        here = min(lanes, paths - first)
        take(theta, first, here, w)
        for slot in range(len(state)):
            for j in range(dim):
                for i in range(lanes):
                    s[slot, j * lanes + i] = state[slot, j, first + min(i, here - 1)]
        at = again
        while at < again_end:
            examples = min(group, min(branched, again_end) - at if at < branched else again_end - at)
            b0, b1 = (j0, j1) if at < branched else (k0, k1)
            fill_examples(u, lanes, draws, examples, at, first_replicate + first, b0, b1)
            deal(deck, at, examples, u, lanes, order, rows)
            at += examples
        draw, begin, mark, watch = first_draw, first_draw, 0, due
        hit, hits = first * strata + skipped * here, (first + here) * strata
        while hit < hits and hit_step[hit] < first_step:
            hit += 1
        for t in range(len(batch_size)):
            clear(g_flat)
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
                fill_examples(u, lanes, draws, examples, draw, first_replicate + first, k0, k1)
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
            # From the sum of gradients to their mean, with the penalty; then the optimizer's step.
            call(finish, (constants, 1.0 / batch_size[t], w_flat, g_flat))
            if disturb != 0:
                fill_examples(noise, lanes, dim, 1, (first_step + t - 1) * dim, first_replicate + first, n0, n1)
                call(disturb, (noise_constants, noise, g))
            call(step, (ends, coefficients, t, w_flat, g_flat, s))
            for a in range(len(averages)):
                keep, weight = coefficients[t, averages_at + 2 * a], coefficients[t, averages_at + 2 * a + 1]
                for j in range(dim):
                    for i in range(here):
                        averages[a, j, first + i] = keep * averages[a, j, first + i] + weight * w[j, i]
            if t >= average_from:
                for j in range(dim):
                    for i in range(here):
                        average[j, first + i] += w[j, i]
            if len(lowest) > 0:
                for j in range(dim):
                    for i in range(here):
                        # A nan compares false, so it is ignored as by np.fmin in the reference engine.
                        lowest[j, first + i] = w[j, i] if w[j, i] < lowest[j, first + i] else lowest[j, first + i]
                        highest[j, first + i] = w[j, i] if w[j, i] > highest[j, first + i] else highest[j, first + i]
            if t == watch:
                for j in range(dim):
                    for i in range(here):
                        least[j, first + i] = min(least[j, first + i], s[watched, j * lanes + i])
                watch += every
            if mark < len(marks) and marks[mark] == t:
                put(w, first, here, snapshots[mark])
                for a in range(len(averages) if seen_averages.shape[1] > 0 else 0):
                    for j in range(dim):
                        for i in range(here):
                            seen_averages[mark, a, j, first + i] = averages[a, j, first + i]
                if own != 0 and seen_averages.shape[1] > 0:
                    call(own, (coefficients, t, w_flat, s, out))
                    for j in range(dim):
                        for i in range(here):
                            seen_averages[mark, len(averages), j, first + i] = out[j * lanes + i]
                mark += 1
            if own != 0 and sampled_averages.shape[1] > 0 and hit < hits and hit_step[hit] == first_step + t:
                call(own, (coefficients, t, w_flat, s, out))
            while hit < hits and hit_step[hit] == first_step + t:
                for j in range(dim):
                    sampled[hit_row[hit] - skipped, j, hit_lane[hit]] = w[j, hit_lane[hit] - first]
                    for a in range(len(averages) if sampled_averages.shape[1] > 0 else 0):
                        sampled_averages[hit_row[hit] - skipped, a, j, hit_lane[hit]] = averages[a, j, hit_lane[hit]]
                    if own != 0 and sampled_averages.shape[1] > 0:
                        at = j * lanes + hit_lane[hit] - first
                        sampled_averages[hit_row[hit] - skipped, len(averages), j, hit_lane[hit]] = out[at]
                hit += 1
        put(w, first, here, theta)
        for slot in range(len(state)):
            for j in range(dim):
                for i in range(here):
                    state[slot, j, first + i] = s[slot, j * lanes + i]


@njit(**ONLY_FROM_KERNELS)
def risks(theta, features, targets, out, stop, pieces, sizes, scratch):
    """Write mean loss and share of wrong classes to out (engine.program.Engine.risks)."""
    _, _, learn, _, constants, _, _, _, _, _ = pieces
    lanes, group, _, _, _, _, _, _, _, _, _ = sizes
    (snapshots, _, paths), number = theta.shape, features.shape[1]
    w, total, x, y, found, work = scratch
    for first in range(0, paths, lanes):
        here = min(lanes, paths - first)
        for r in range(snapshots):
            if stop[0] != 0:
                return
            take(theta[r], first, here, w)
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
    lanes, _, _, _, _, _, _, _, _, _, _ = sizes
    (snapshots, dim, paths), number = theta.shape, features.shape[1]
    w, w_flat, g, g_flat, mean, mean_flat, square, x, y, work = scratch
    for first in range(0, paths, lanes):
        here = min(lanes, paths - first)
        for r in range(snapshots):
            take(theta[r], first, here, w)
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
