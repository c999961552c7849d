"""The charts of a sweep, described with Altair: a map of its cells, and the curves of all cells over one another."""

from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np

from nonconv.numerics.arithmetic import Array
from nonconv.page.charts import GAPS, HEIGHT, SCALES, Spec, finished, on_both_axes, scale_of, step_axis
from nonconv.page.palette import VERDICTS

MAP_HEIGHT = 420
WIDE = 3
"""Where the largest number is more than this times the least one, colours go by its logarithm."""
NEITHER = "#d0d0d0"
"""Of a cell without a number."""


def map_chart(kind: str, values: Array, title: str, tooltips: Mapping[str, str], answers: Sequence[str] = ()) -> Spec:
    """Describe a map of cells whose colours show a quantity.

    kind: verdict, positive or slope, as sweep_result.Quantity has it. values: its finite ones. tooltips: titles by column.
    answers: the verdicts that cells have. The page's script fills in the columns x, y and colour of each cell.
    """
    rows = alt.Chart(alt.NamedData("cells"))
    told = [alt.Tooltip(f"{column}:N", title=text) for column, text in tooltips.items()]
    # The script names the axes and orders their values: both are chosen on the page.
    across, up = alt.X("x:N", title="", sort=[]), alt.Y("y:N", title="", sort=[])
    shown = _verdicts(answers) if kind == "verdict" else _numbers(kind, values, title)
    chosen = "datum.cell === cell"
    # Below all others: a cell without a number has no colour, and can be chosen all the same.
    ground = rows.mark_rect(color=NEITHER, stroke="#ffffff", strokeWidth=0.5, cursor="pointer").encode(tooltip=told)
    cells = rows.mark_rect(stroke="#ffffff", strokeWidth=0.5, cursor="pointer").encode(color=shown, tooltip=told)
    signs = rows.transform_filter("datum.sign !== ''").mark_text(fontSize=14, fontWeight="bold", cursor="pointer")
    signs = signs.encode(text="sign:N", tooltip=told, color=alt.value("#ffffff" if kind == "verdict" else "#000000"))
    ring = rows.transform_filter(chosen).mark_rect(filled=False, stroke="#000000", strokeWidth=3.5)
    inner = rows.transform_filter(chosen).mark_rect(filled=False, stroke="#ffffff", strokeWidth=1.2)
    chart = alt.layer(ground, cells, signs, ring, inner).encode(x=across, y=up)
    return finished(chart, MAP_HEIGHT, cell="")


def _verdicts(answers: Sequence[str]) -> alt.Color:
    """Encode verdicts by colour, and failed cells."""
    named = [answer for answer in VERDICTS if answer in answers]
    scale = alt.Scale(domain=[name.replace("_", " ") for name in named], range=[VERDICTS[name] for name in named])
    return alt.Color("colour:N", scale=scale, legend=alt.Legend(title=None, orient="bottom", columns=3, labelLimit=140))


def _numbers(kind: str, values: Array, title: str) -> alt.Color:
    """Encode numbers by colour; a few extreme cells have the colour at the end, so that all others do not look alike."""
    legend = alt.Legend(title=title, orient="bottom", gradientLength=240, format=".3~g", tickCount=3, titleLimit=320)
    if kind == "slope":
        size = float(np.quantile(np.abs(values), 0.95)) if len(values) else 1.0
        top = size or 1.0
        scale = alt.Scale(scheme="redyellowblue", reverse=True, domain=[-top, top], domainMid=0.0, clamp=True)
        return alt.Color("colour:Q", scale=scale, legend=legend)
    above = values[values > 0]
    if len(above) and above.max() > WIDE * above.min():
        scale = alt.Scale(type="log", scheme="viridis", domain=_fences(above), clamp=True)
        return alt.Color("colour:Q", scale=scale, legend=legend)
    ends = [float(values.min()), float(values.max())] if len(values) else [0.0, 1.0]
    ends = ends if ends[0] < ends[1] else [ends[0] - 0.5 * (abs(ends[0]) or 1.0), ends[1] + 0.5 * (abs(ends[1]) or 1.0)]
    return alt.Color("colour:Q", scale=alt.Scale(scheme="viridis", domain=ends, clamp=True), legend=legend)


def _fences(above: Array) -> list[float]:
    """Return limits within three interquartile ranges of the quartiles, or within three decades."""
    decades = np.log10(above)
    first, third = np.quantile(decades, (0.25, 0.75))
    reach = 3 * max(1.0, float(third - first))
    return [float(10 ** max(decades.min(), first - reach)), float(10 ** min(decades.max(), third + reach))]


def overview_chart(steps: Sequence[int], answers: Sequence[str], xi: str, iterate: str) -> dict[str, Spec]:
    """Describe the errors of all cells for one ξ, coloured by verdict; the chosen cell's stands out."""
    return on_both_axes(SCALES, steps[-1], lambda y: _overview(steps, answers, xi, iterate, y))


def _overview(steps: Sequence[int], answers: Sequence[str], xi: str, iterate: str, y: str) -> Spec:
    """Describe one variant of `overview_chart`."""
    drawn = "datum.value > 0 ? datum.value : null" if y == "log" else "datum.value"
    rows = alt.Chart(alt.NamedData("points")).transform_filter("datum.what === xi && datum.iterate === iterate")
    rows = rows.transform_calculate(y=drawn)
    named = [answer for answer in VERDICTS if answer in answers]
    # Light colours are for areas: a line of that colour could not be seen.
    strong = VERDICTS | {"converges": "#0072b2", "undecided": "#8a8a8a"}
    scale = alt.Scale(domain=[name.replace("_", " ") for name in named], range=[strong[name] for name in named])
    legend = alt.Legend(title=None, orient="bottom", labelLimit=140, symbolStrokeWidth=3, symbolOpacity=1)
    across, value = step_axis(steps), alt.Y("y:Q", title="E |Θₙ − ξ|²", scale=scale_of(y))
    told = [alt.Tooltip("text:N", title="cell"), alt.Tooltip("verdict:N")]
    curves = rows.mark_line(strokeWidth=1, opacity=0.55, invalid=GAPS, clip=True)
    curves = curves.encode(x=across, y=value, detail="cell:N", color=alt.Color("verdict:N", scale=scale, legend=legend))
    # A line of one pixel is hard to hit: a broad one that cannot be seen lies over it.
    broad = rows.mark_line(strokeWidth=9, opacity=0.001, invalid=GAPS, clip=True, cursor="pointer")
    broad = broad.encode(x=across, y=value, detail="cell:N", tooltip=told)
    own = rows.transform_filter("datum.cell === cell")
    halo = own.mark_line(strokeWidth=6, color="#ffffff", invalid=GAPS, clip=True).encode(x=across, y=value)
    line = own.mark_line(strokeWidth=3, color="#000000", invalid=GAPS, clip=True).encode(x=across, y=value)
    return finished(alt.layer(curves, halo, line, broad), HEIGHT, cell="", xi=xi, iterate=iterate)
