"""The charts of a run, described with Altair: curves with bands over the steps, floors, paths.

A chart names its data, which the page holds once for all of its variants: each choice of axes is a whole description, and the
page's script shows the one that is chosen. Colours and dashes are those of the switches beside the chart, so charts have no
legend of their own.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any, Literal

import altair as alt

from nonconv.page.curves import Curves, Switch, Table
from nonconv.page.palette import COLOURS

Spec = dict[str, Any]
HEIGHT, LOW, THIN = 340, 240, 120
FEW_POINTS = 16
"""Curves of no more points than this have a mark at each."""
GAPS: Literal["break-paths-filter-domains"] = "break-paths-filter-domains"
"""A curve has a gap where it has no number."""
SCALES = ("log", "linear")
VISIBLE = "indexof(off, datum.iterate) < 0 && indexof(off, datum.what) < 0"
"""Whether a row's curve is switched on: the parameter `off` names what is not."""
FONT = "system-ui, sans-serif"
INTERVAL = (
    "isValid(datum.low) && isValid(datum.high) ? format(datum.low, '.6~g') + ' to ' + format(datum.high, '.6~g') : 'none'"
)
PATHS = "isValid(datum.n) ? datum.finite + ' of ' + datum.n : 'exact'"
NUMBER = ".6~g"


def line_chart(
    curves: Curves, y_title: str, last: int, height: int = HEIGHT, scales: Sequence[str] = SCALES, cell: str = ""
) -> dict[str, Spec]:
    """Describe curves over the steps, by the scales of both axes: `log linear`.

    last: the step that is marked at first. cell: that whose curves are drawn at first, where the rows of several are there.
    """
    return on_both_axes(scales, max(curves.points["step"]), lambda y: _lines(curves, y_title, last, height, y, cell))


def on_both_axes(scales: Iterable[str], last: float, describe: Callable[[str], Spec]) -> dict[str, Spec]:
    """Return a chart with each scale of its vertical axis, and a logarithmic and a linear axis of its steps.

    last: the largest step. describe: makes the chart for a vertical scale, with a logarithmic axis of steps.
    """
    found: dict[str, Spec] = {}
    for y in scales:
        spec = describe(y)
        found |= {f"{y} log": spec, f"{y} linear": _with_linear_steps(spec, last)}
    return found


def _with_linear_steps(spec: Spec, last: float) -> Spec:
    """Return a chart with a linear axis of steps. To change it is far quicker than to describe it again."""
    changed = deepcopy(spec)
    for layer in changed.get("layer", [changed]):
        across = layer["encoding"].get("x", {})
        if "scale" in across:
            across |= {"scale": {"domain": [0, last * 1.02], "nice": False}, "axis": {"tickCount": 6}}
    return changed


def _lines(curves: Curves, y_title: str, last: int, height: int, y: str, cell: str) -> Spec:
    """Describe one variant of `line_chart`."""
    of_cell = "datum.cell === cell && " if cell else ""
    steps = curves.points["step"]
    encode = {**_styles(curves), "x": step_axis(steps), "y": alt.Y("y:Q", title=y_title, scale=scale_of(y))}
    points = _drawn(alt.Chart(alt.NamedData("points")).transform_filter(of_cell + VISIBLE), y)
    band = points.mark_area(opacity=0.18, clip=True, invalid=GAPS).encode(
        **{name: encode[name] for name in ("x", "color", "detail")},
        y=alt.Y("bottom:Q", title=y_title, scale=scale_of(y)),
        y2="top:Q",
    )
    line = points.mark_line(strokeWidth=1.8, clip=True, invalid=GAPS).encode(**encode)
    hover = alt.selection_point(name="hover", nearest=True, on="pointerover", clear="pointerout", empty=False)
    rest = 0.9 if len(set(steps)) <= FEW_POINTS else 0.0
    marks = (
        points.mark_point(size=45, filled=True, clip=True)
        .encode(
            **{name: encode[name] for name in ("x", "y", "color", "detail")},
            opacity=alt.condition(hover, alt.value(1.0), alt.value(rest)),
            tooltip=_nearest_tooltip(_tooltips()),
        )
        .add_params(hover)
    )
    at = (
        alt.Chart(alt.InlineData([{}]))
        .mark_rule(strokeDash=[2, 3], color="#777777", clip=True)
        .encode(x=alt.datum(alt.expr("at"), type="quantitative"))
    )
    floors = _floors(encode, y, of_cell + VISIBLE) if curves.segments["step"] else []
    layers = [band, line, *floors, at, marks]
    chosen = {"cell": cell} if cell else {}
    return finished(alt.layer(*layers), height, off=[switch.key for switch in switched_off(curves)], at=last, **chosen)


def switched_off(curves: Curves) -> list[Switch]:
    """Return the switches that are off at first."""
    return [switch for group in curves.groups.values() for switch in group if not switch.on]


def _drawn(chart: alt.Chart, y: str) -> alt.Chart:
    """Add to each row what is drawn: y, the ends of its band, texts for the tooltip. A log axis shows no 0."""
    if y == "linear":
        drawn = {"y": "datum.value", "bottom": "isValid(datum.high) ? datum.low : null", "top": "datum.high"}
    else:
        # A band that reaches 0 is shown down to a decade below its curve.
        drawn = {
            "y": "datum.value > 0 ? datum.value : null",
            "bottom": "!(datum.value > 0) || !(datum.high > 0) ? null : datum.low > 0 ? datum.low : datum.value / 10",
            "top": "datum.value > 0 && datum.high > 0 ? datum.high : null",
        }
    return chart.transform_calculate(**drawn, interval=INTERVAL, paths=PATHS)


def _floors(encode: Mapping[str, Any], y: str, shown: str) -> list[alt.Chart]:
    """Describe floors: a level with its interval over the steps that it is averaged over."""
    rows = _drawn(alt.Chart(alt.NamedData("segments")).transform_filter(shown), y)
    own = {"x": alt.X("first:Q", scale=encode["x"]["scale"], title="step n"), "x2": "step:Q", "color": encode["color"]}
    band = rows.mark_rect(opacity=0.18, clip=True).encode(**own, y=alt.Y("bottom:Q", scale=scale_of(y)), y2="top:Q")
    tooltips = [_name(), *_numbers(), alt.Tooltip("first:Q", title="from step"), alt.Tooltip("step:Q", title="to step")]
    tooltips.insert(2, alt.Tooltip("lower:Q", title="lower bound, all floors at once", format=NUMBER))
    level = rows.mark_rule(strokeWidth=4, clip=True).encode(
        **own, y=encode["y"], strokeDash=encode["strokeDash"], tooltip=tooltips
    )
    return [band, level]


def _styles(curves: Curves) -> dict[str, Any]:
    """Encode the colours and dashes of the switches."""
    every = [switch for group in curves.groups.values() for switch in group]
    coloured = [switch for switch in every if switch.colour]
    dashed = [switch for switch in every if curves.hue == "what" or not switch.colour]
    colours = alt.Scale(domain=[switch.key for switch in coloured], range=[switch.colour for switch in coloured])
    dashes = alt.Scale(domain=[switch.key for switch in dashed], range=[[*switch.dash] or [1, 0] for switch in dashed])
    return {
        "color": alt.Color(f"{curves.hue}:N", scale=colours, legend=None),
        "strokeDash": alt.StrokeDash("what:N", scale=dashes, legend=None),
        "detail": ["iterate:N", "what:N"],
    }


def step_axis(steps: Sequence[float], field: str = "step", title: str = "step n") -> alt.X:
    """Encode the steps on a log axis around all of them: what is switched off does not move the axis."""
    limits = [max(min(steps), 1) / 1.15, max(steps) * 1.15]
    return alt.X(f"{field}:Q", title=title, scale=alt.Scale(type="log", domain=limits, nice=False), axis=_decades())


def _decades() -> alt.Axis:
    """Return an axis with labels at powers of ten alone."""
    labels = "abs(log(datum.value) / log(10) - round(log(datum.value) / log(10))) < 1e-9 ? format(datum.value, '~g') : ''"
    return alt.Axis(labelExpr=labels, labelOverlap=True)


def scale_of(kind: str) -> alt.Scale:
    """Return the scale of a vertical axis."""
    return alt.Scale(type="log", nice=False, padding=8) if kind == "log" else alt.Scale(zero=False, nice=True)


def _name() -> alt.Tooltip:
    return alt.Tooltip("what:N", title="of")


def _numbers() -> list[alt.Tooltip]:
    """Return what a tooltip says of a measured number."""
    return [
        alt.Tooltip("value:Q", title="value", format=NUMBER),
        alt.Tooltip("interval:N", title="95 % interval"),
        alt.Tooltip("paths:N", title="finite paths"),
        alt.Tooltip("iterate:N", title="iterate"),
    ]


def _tooltips() -> list[alt.Tooltip]:
    """Return what a tooltip says of a point of a curve."""
    return [_name(), alt.Tooltip("step:Q", title="step", format="d"), *_numbers()]


def _nearest_tooltip(tooltips: Sequence[alt.Tooltip]) -> Any:
    """Return the tooltip of the point that is nearest to the pointer.

    Vega-Lite reads texts off the cell around the point, which has none (numbers it reads off the point itself).
    """
    told: list[Any] = [one.to_dict() for one in tooltips]
    texts = (f"'{one['title']}': {_formatted(one['field'], one.get('format'))}" for one in told)
    return alt.value(alt.ExprRef(expr=f"{{{', '.join(texts)}}}"))


def _formatted(field: str, form: str | None) -> str:
    """Write the expression of a field of a row, whether that is at hand or in the point within a cell."""
    value = f"(datum.datum || datum)['{field}']"
    return f"format({value}, '{form}')" if form else value


def finished(chart: Any, height: int, **values: Any) -> Spec:
    """Return a chart as a page holds it. values: its parameters, which the page's script sets."""
    sized = chart.properties(width="container", height=height, autosize=alt.AutoSizeParams(type="fit-x", contains="padding"))
    told = sized.add_params(*(alt.param(name=name, value=value) for name, value in values.items()))
    styled = (
        told.configure(font=FONT, background="transparent")
        .configure_view(stroke=None)
        .configure_axis(gridColor="#e2e2e2", domainColor="#767676", tickColor="#767676", labelFontSize=12, titleFontSize=13)
        .configure_axisY(minExtent=44, titlePadding=8)
        .configure_legend(labelFontSize=12, titleFontSize=12)
    )
    found: Spec = styled.to_dict(validate=False)  # tests validate; here it would take half of the time
    return found


PATH_SCALES = ("linear", "symlog")
OF_ITERATE = "(!isDefined(datum.iterate) || datum.iterate === iterate)"
CHOSEN = f"{OF_ITERATE} && datum.coordinate === coordinate && indexof(off, datum.what) < 0"
"""Whether a row is of the chosen coordinate and iterate, and of what is switched on."""


def paths_chart(steps: Sequence[int], coordinate: str, iterate: str, starts: float) -> dict[str, Spec]:
    """Describe paths over the steps: a fan of quantiles, single paths, levels of the fixed ξ.

    coordinate, iterate: those that are chosen at first. starts: about where paths start, which a symlog axis must resolve.
    """
    return on_both_axes(PATH_SCALES, steps[-1], lambda y: _paths(steps, coordinate, iterate, starts, y))


def _paths(steps: Sequence[int], coordinate: str, iterate: str, starts: float, y: str) -> Spec:
    """Describe one variant of `paths_chart`."""

    def rows(name: str) -> alt.Chart:
        return alt.Chart(alt.NamedData(name)).transform_filter(CHOSEN)

    scale = alt.Scale(type="symlog", constant=starts) if y == "symlog" else alt.Scale(zero=False)
    across, title = step_axis(steps), "Θₙ"
    band = rows("fan").mark_area(color="#0072b2", opacity=0.22, invalid=GAPS, clip=True)
    band = band.encode(x=across, y=alt.Y("low:Q", title=title, scale=scale), y2="high:Q", detail="share:N")
    value = alt.Y("value:Q", title=title, scale=scale)
    single = rows("single").mark_line(color="#444444", strokeWidth=0.8, opacity=0.75, invalid=GAPS, clip=True)
    single = single.encode(x=across, y=value, detail="path:N")
    middle = rows("points").transform_filter("datum.what === 'median' && indexof(off, 'quantiles') < 0")
    median = middle.mark_line(color="#003a5c", strokeWidth=2.2, invalid=GAPS, clip=True).encode(x=across, y=value)
    levels = rows("xi").mark_rule(color="#d55e00", strokeWidth=1.8, strokeDash=[6, 3], clip=True)
    levels = levels.encode(y=value, tooltip=[alt.Tooltip("name:N", title="ξ"), alt.Tooltip("value:Q", format=NUMBER)])
    hover = alt.selection_point(name="hover", nearest=True, on="pointerover", clear="pointerout", empty=False)
    told = [("path", "path", "d"), ("step", "step", "d"), ("value", "Θₙ", NUMBER)]
    tooltips = [alt.Tooltip(f"{name}:Q", title=text, format=form) for name, text, form in told]
    marks = rows("single").mark_point(size=45, filled=True, color="#444444", clip=True)
    marks = marks.encode(
        x=across,
        y=value,
        opacity=alt.condition(hover, alt.value(1.0), alt.value(0.9 if len(steps) == 1 else 0.0)),
        tooltip=_nearest_tooltip([*tooltips, alt.Tooltip("outcome:N", title="ends")]),
    ).add_params(hover)
    at = alt.Chart(alt.InlineData([{}])).mark_rule(strokeDash=[2, 3], color="#777777", clip=True)
    at = at.encode(x=alt.datum(alt.expr("at"), type="quantitative"))
    chosen = {"off": [], "at": steps[-1], "coordinate": coordinate, "iterate": iterate}
    return finished(alt.layer(band, single, median, levels, at, marks), HEIGHT, **chosen)


def twins_chart(table: Table, iterate: str) -> dict[str, Spec]:
    """Describe the twin floors over the lag, a line per branch point, of the chosen iterate; exact ones as broad lines."""
    return on_both_axes(SCALES, max(table["lag"]), lambda y: _twins(table, iterate, y))


def _twins(table: Table, iterate: str, y: str) -> Spec:
    """Describe one variant of `twins_chart`."""
    rows = alt.Chart(alt.NamedData("twins")).transform_filter("datum.iterate === iterate")
    rows = _drawn(rows, y).transform_calculate(wanted="datum.exact > 0 ? datum.exact : null" if y == "log" else "datum.exact")
    across = step_axis(table["lag"], "lag", "lag (steps since the branch)")
    title = "½ E |Θₙ − Θ′ₙ|²"
    branches = list(dict.fromkeys(table["branch"]))
    styles = alt.Scale(domain=branches, range=COLOURS[: len(branches)])
    own = {
        "x": across,
        "color": alt.Color("branch:N", title="branch at step", scale=styles, legend=alt.Legend(orient="bottom")),
    }
    band = rows.mark_area(opacity=0.2, invalid=GAPS, clip=True)
    band = band.encode(**own, y=alt.Y("bottom:Q", title=title, scale=scale_of(y)), y2="top:Q")
    value = alt.Y("y:Q", title=title, scale=scale_of(y))
    tooltips = [alt.Tooltip("branch:Q", title="branch at step", format="d"), alt.Tooltip("lag:Q", format="d"), *_numbers()[:3]]
    tooltips.append(alt.Tooltip("exact:Q", title="exact expectation", format=NUMBER))
    line = rows.mark_line(point=alt.OverlayMarkDef(size=30), invalid=GAPS, clip=True).encode(**own, y=value, tooltip=tooltips)
    exact = rows.mark_line(strokeWidth=7, opacity=0.3, color="#009e73", invalid=GAPS, clip=True)
    exact = exact.encode(x=across, y=alt.Y("wanted:Q", title=title, scale=scale_of(y)), detail="branch:N")
    known = any(value is not None for value in table["exact"])
    return finished(alt.layer(band, *([exact] if known else []), line), HEIGHT, iterate=iterate)


def schedule_chart(table: Table) -> dict[str, Spec]:
    """Describe the learning rate over the steps."""
    chart = alt.Chart(alt.NamedData("schedules")).mark_line(
        color="#000000", strokeWidth=1.6, point=len(table["step"]) < FEW_POINTS
    )
    tooltip = [alt.Tooltip("step:Q", format="d"), alt.Tooltip("rate:Q", title="learning rate", format=NUMBER)]
    tooltip.append(alt.Tooltip("batch:Q", title="batch size", format="d"))
    positive = all(rate is not None and rate > 0 for rate in table["rate"])

    def describe(y: str) -> Spec:
        rates = alt.Y("rate:Q", title="learning rate", scale=scale_of(y), axis=alt.Axis(tickCount=4))
        return finished(chart.encode(x=step_axis(table["step"]), y=rates, tooltip=tooltip), THIN)

    return on_both_axes(SCALES if positive else ("linear",), table["step"][-1], describe)
