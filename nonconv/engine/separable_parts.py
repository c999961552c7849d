"""The lines that a kernel of separable objectives has for each part of a step which a program uses (program.Parts).

A part that is not used adds no line, so that it costs nothing.
"""

from nonconv.components.definitions import Distribution, Optimizer
from nonconv.engine.deck import CODES, SHUFFLED
from nonconv.engine.program import Parts

ARGUMENTS = """
    averages, seen_averages, sampled_averages, hold, data_rows, branched, j0, j1, deck, dealt,
    n0, n1, noise_constants, w, low_end, high_end, unit, norm,"""
"""What parts need beside what every kernel has, in the order of `Kernel.advance`."""

# The deck of the running pass is restored by dealing the pass again. `begin` is the first draw of the batch in use.
RESTORE = """\
        at, whole = {to_restore}
        while at < whole:
            b0, b1 = (j0, j1) if at < branched else (k0, k1)
            begin = at - at % 2
            upto = min(whole, begin + DRAWS_AT_ONCE)
            if at < branched:
                upto = min(upto, branched)
            fill(u, end - tile, begin, first_replicate + tile, b0, b1)
            while at < upto:
                d = at - begin
                deal(deck[at % {per_sample}], at // {per_sample}, 1, u[d : d + 1], end - tile, {code}, data_rows)
                at += 1
"""
HELD = """\
fresh = t == 0 or (first_step + t - 1) % hold == 0
begin = draw if fresh else begin
draw = begin
"""
DEAL = """\
q = draw - begin
if fresh{once}:
    for i in range(first, last):
        dealt[q, i] = u[d, i - first]
    deal(deck[draw % {per_sample}], draw // {per_sample}, 1, dealt[q : q + 1, tile:end], end - tile, {code}, data_rows)
"""
NOISE = """\
n = (first_step + t - 1) * dim + coordinate
if n < noted or n >= noted + DRAWS_AT_ONCE:
    noted = n - n % 2
    fill(w, end - tile, noted, first_replicate + tile, n0, n1)
n -= noted
"""
CLIP_VALUE = """\
g = choose(g > most, most, choose(g < -most, -most, g))
"""
# The norm in units of the largest coordinate, so that no square overflows.
CLIP_NORM = """\
for program in range(programs):
    for i in range(first, last):
        unit[i], norm[i] = 0.0, 0.0
    for j in range(program * dim, (program + 1) * dim):
        for i in range(first, last):
            size = abs(total[j, i])
            unit[i] = choose(size > unit[i], size, unit[i])
    for i in range(first, last):
        unit[i] = choose(unit[i] > 0.0, unit[i], 1.0)
    for j in range(program * dim, (program + 1) * dim):
        for i in range(first, last):
            norm[i] += (total[j, i] / unit[i]) * (total[j, i] / unit[i])
    for i in range(first, last):
        share = coefficients[program, t, {clip_norm}] / (unit[i] * np.sqrt(norm[i]) + coefficients[program, t, {clip_eps}])
        norm[i] = choose(share >= 1.0, 1.0, share)
    for j in range(program * dim, (program + 1) * dim):
        for i in range(first, last):
            total[j, i] *= norm[i]
"""
WIDEN = """\
reached, least_yet, most_yet = theta[j, i], lowest[j, i], highest[j, i]
lowest[j, i], highest[j, i] = choose(reached < least_yet, reached, least_yet), choose(reached > most_yet, reached, most_yet)
"""
AVERAGES = """\
            for a in range(averages.shape[0]):
                for j in range(rows):
                    keep, weight = coefficients[j // dim, t, {first} + 2 * a], coefficients[j // dim, t, {first} + 2 * a + 1]
                    for i in range(first, last):
                        averages[a, j, i] = keep * averages[a, j, i] + weight * theta[j, i]
"""
SEEN_OWN = """\
                for j in range(rows if seen_averages.shape[1] > 0 else 0):
                    program = j // dim
                    c = PerStep({load_per_step})
                    for i in range(first, last):
                        seen_averages[mark, {averages}, j, i] = own(c, State({load_state}), theta[j, i])
"""
SAMPLED_OWN = """\
                for j in range(rows if sampled_averages.shape[1] > 0 else 0):
                    program, i = j // dim, hit_lane[hit]
                    c = PerStep({load_per_step})
                    sampled_averages[hit_row[hit] - skipped, {averages}, j, i] = own(c, State({load_state}), theta[j, i])
"""
SEEN_AVERAGES = """\
                for a in range(averages.shape[0] if seen_averages.shape[1] > 0 else 0):
                    for j in range(rows):
                        for i in range(first, last):
                            seen_averages[mark, a, j, i] = averages[a, j, i]
"""
SAMPLED_AVERAGES = """\
                for a in range(averages.shape[0] if sampled_averages.shape[1] > 0 else 0):
                    for j in range(rows):
                        sampled_averages[hit_row[hit] - skipped, a, j, hit_lane[hit]] = averages[a, j, hit_lane[hit]]
"""


def lines(parts: Parts, data: Distribution, optimizer: Optimizer, load: dict[str, str]) -> dict[str, str]:
    """Return the lines of a kernel's text for these parts, by the name of their place; `kernel_text` indents them.

    load: how PerStep and the state are loaded.
    """
    column = {name: len(optimizer.per_step._fields) + k for k, name in enumerate(parts.columns)}
    per_sample = {"each": "dim", "row": "1", "none": "1"}[data.draws]
    ordered, first_average = parts.order != "with_replacement", column.get("keep0", 0)
    deal = {
        "per_sample": per_sample,
        "code": CODES[parts.order],
        "once": "" if data.draws == "each" else " and coordinate == 0",
    }
    clipped = CLIP_NORM.format(**column) if parts.clip_norm else ""
    seen_own, sampled_own = (
        text.format(averages=parts.averages, **load) if parts.own else "" for text in (SEEN_OWN, SAMPLED_OWN)
    )
    return {
        "imports": "from nonconv.engine import deck as decks\n" * ordered
        + (f"import {parts.noise.sample.__module__} as noise_law\n" if parts.noise else ""),
        "definitions": "deal = definition(decks.deal)\n" * ordered
        + (f"own = definition(optimizer.{optimizer.own.__name__})\n" if parts.own and optimizer.own else "")
        + (_noise_definitions(parts.noise) if parts.noise else ""),
        "arguments": "" if parts.are_usual else ARGUMENTS,
        "before": _before(parts, per_sample, deal),
        "held": HELD if parts.hold or ordered else "",
        "outside": "draw < made or draw >= made + DRAWS_AT_ONCE" if parts.hold else "draw >= made + DRAWS_AT_ONCE",
        "deal": DEAL.format(**deal) if ordered else "",
        "uniform": "dealt[q, i]" if ordered else "u[d, i - first]",
        "drift": " + drift" if parts.drift else "",
        "load_drift": f"drift = coefficients[program, t, {column['drift']}]\n" if parts.drift else "",
        "noise": NOISE if parts.noise else "",
        "load_noise": _load_noise(parts.noise) if parts.noise else "",
        "load_most": f"most = coefficients[program, t, {column['clip_value']}]\n" if parts.clip_value else "",
        "load_move": _load_move(parts, column),
        "clip_value": CLIP_VALUE if parts.clip_value else "",
        "l2": "g += l2 * theta[j, i]\n" if parts.l2 else "",
        "clip_norm": clipped,
        "move": _move(parts) + WIDEN * parts.extremes,
        "averages": AVERAGES.format(first=first_average) if parts.averages else "",
        "seen_averages": SEEN_AVERAGES * bool(parts.averages) + seen_own,
        "sampled_averages": SAMPLED_AVERAGES * bool(parts.averages) + sampled_own,
        "pull": ", pull * theta[j, i]" if parts.pull else "",
    }


def _before(parts: Parts, per_sample: str, deal: dict[str, object]) -> str:
    """Return the lines before the first step of a tile: what there is of noise and of a batch, and the deck."""
    found = "        noted = -DRAWS_AT_ONCE\n" if parts.noise else ""
    if parts.hold or parts.order != "with_replacement":
        found += "        begin, fresh = first_draw, True\n"
    if parts.order in SHUFFLED:
        whole = f"data_rows * {per_sample}"
        again = {"once": f"0, min(first_draw, {whole})", "epochs": f"first_draw - first_draw % ({whole}), first_draw"}
        found += RESTORE.format(to_restore=again[parts.order], **deal)
    return found


def _noise_definitions(law: Distribution) -> str:
    """Return the lines that name a law of gradient noise and its constants."""
    return (
        f"NoiseConstants = noise_law.{law.constants.__name__}\n"
        f'disturb = definition(noise_law.{law.sample.__name__}, inline="always")\n'
    )


def _load_noise(law: Distribution) -> str:
    """Return the line that loads the constants of the noise of a coordinate."""
    return f"nk = NoiseConstants({', '.join(f'noise_constants[{k}][j]' for k in range(len(law.constants._fields)))})\n"


def _load_move(parts: Parts, column: dict[str, int]) -> str:
    """Return the lines that load what a step needs besides its direction."""
    return (
        (f"l2 = coefficients[program, t, {column['l2']}]\n" if parts.l2 else "")
        + (f"kept = coefficients[program, t, {column['decay']}]\n" if parts.decay else "")
        + (f"pull = coefficients[program, t, {column['pull']}]\n" if parts.pull else "")
        + ("low, high = low_end[j], high_end[j]\n" if parts.domain else "")
    )


def _move(parts: Parts) -> str:
    """Return the lines that move an iterate by its direction: less what it decays by, then projected."""
    if not parts.decay and not parts.domain:
        return "theta[j, i] -= rate * direction\n"
    way = f"{'kept * ' if parts.decay else ''}theta[j, i] - rate * direction"
    if not parts.domain:
        return f"theta[j, i] = {way}\n"
    return f"at = {way}\ntheta[j, i] = choose(at < low, low, choose(at > high, high, at))\n"
