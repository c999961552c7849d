"""Fill the tables and draw the pictures of docs/answers from results: python docs/answers.py [--check].

A page marks a table with a comment on the line before it, `<!-- table: CONFIG DIGEST -->`. CONFIG is of configs/gallery; its
results are those of `make gallery`, or are computed. DIGEST is of all that they depend on: with --check nothing is computed,
and a page whose digests are not those of the configs is out of date (exit code 1).
"""

import csv
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from nonconv.config.files import read
from nonconv.experiment.binding import make_cell
from nonconv.sweeps.sweep import as_sweep, survey

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "docs" / "answers"
IMAGES = ROOT / "docs" / "images" / "answers"
MARKER = re.compile(r"^<!-- table: (\w+)(?: \w+)? -->\n(?:\|.*\n)*", re.MULTILINE)
SGD, ADAM, THIRD = "#0072b2", "#d55e00", "#009e73"
Row = dict[str, str]


# Results


def config_of(name: str) -> Path:
    return Path("configs", "gallery", f"{name}.yaml")


def digest(name: str) -> str:
    """A hash of all that the results of a config and its sweep depend on. Nothing is computed."""
    document = read(ROOT / config_of(name))
    identities = make_cell(document).identity + survey(as_sweep(document)).digest
    return hashlib.sha256(identities.encode()).hexdigest()[:8]


@cache
def folder(name: str) -> Path:
    """The folder of the sweep of a config, computed if it is not there."""
    command = [sys.executable, "-m", "nonconv", "check", str(config_of(name)), "--out", "outputs/gallery", "--json"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return ROOT / str(json.loads(done.stdout)["configs"][-1]["folder"])


def read_rows(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def cells(name: str, **wanted: str) -> list[Row]:
    """The rows of a sweep whose columns have these values; `__` stands for a dot."""
    rows = read_rows(folder(name) / "sweep.csv")
    return [row for row in rows if all(row[key.replace("__", ".")] == value for key, value in wanted.items())]


def file_of(name: str, row: Row, file: str) -> Path:
    return folder(name) / "cells" / row["cell"] / file


def column(rows: list[Row], key: str) -> Any:
    return np.array([float(row[key]) for row in rows])


def share(row: Row, of: str = "escaped") -> float:
    return int(row[of]) / int(row["paths"])


def words(verdict: str) -> str:
    return verdict.replace("_", " ")


# Tables


def table(head: str, rows: list[list[str]]) -> str:
    """A Markdown table; `head` has its columns, separated by |."""
    names = [name.strip() for name in head.split("|")]
    lines = [names, ["---:"] * len(names), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def threshold_table(name: str) -> str:
    rows = []
    for sgd, adam in zip(cells(name, optimizer="sgd"), cells(name, optimizer="adam"), strict=True):
        exact = float(read_rows(file_of(name, sgd, "theory.csv"))[-1]["mse"])
        rho = float(sgd["learning_rate.exponent"])
        halved = "never" if rho == 0 else "" if rho > 1 else f"{2 ** (1 / rho):.3g}"
        errors = [f"{float(row['mse_minimizer']):.3g}" for row in (sgd, adam)]
        rows.append([f"{rho:g}", errors[0], f"{exact:.3g}", words(sgd["verdict"]), errors[1], words(adam["verdict"]), halved])
    return table("ρ | SGD | exact | verdict | Adam | verdict | steps for half the error, times", rows)


def worst_table(name: str) -> str:
    rows = []
    for row in cells(name):
        datum = json.loads(row["objective.data.values"])[1]
        bound = json.loads(file_of(name, row, "verdict.json").read_text(encoding="utf-8"))["bound"]["high"]
        farthest = float(row["span_maximum: 0"]) ** 0.5
        reached = (farthest - datum) / (bound - datum)
        numbers = [row["optimizer.beta1"], row["optimizer.beta2"], f"{datum:g}", f"{farthest:.4g}", f"{bound:.4g}"]
        rows.append([*numbers, f"{100 * reached:.1f} %"])
    return table("β₁ | β₂ | data in | farthest point | bound | of the way", rows)


def lags(name: str, row: Row) -> tuple[Any, Any]:
    """Lags and twin floors after the last branching."""
    twins = [floor for floor in read_rows(file_of(name, row, "floors.csv")) if floor["floor"] == "twin"]
    last = [k for k, floor in enumerate(twins) if floor["lag"] == "1"][-1]
    return column(twins[last:], "lag"), column(twins[last:], "value")


def floors_table(name: str) -> str:
    rows = []
    for row in cells(name):
        rule = f"Adam, β₁ = {row['optimizer.beta1']}" if row["optimizer.beta1"] else "SGD"
        one, twin, plateau = lags(name, row)[1][0], float(row["twin_lower"]), float(row["mse_minimizer"])
        farthest = float(row["span_maximum: minimizer"]) ** 0.5
        if row["learning_rate.value"] in ("0.01", "0.04"):
            numbers = [f"{number:.3g}" for number in (one, twin, plateau, twin / plateau, farthest)]
            rows.append([rule, row["learning_rate.value"], *numbers])
    return table("rule | rate | one batch | bound for every ξ | plateau | bound : plateau | farthest", rows)


SMALLEST_LOSS = 0.255914
"""Of diabetes with a weight decay of 0.1, by solving the normal equations."""


def batches_table(name: str) -> str:
    rows = []
    for sgd, adam in zip(cells(name, optimizer="sgd"), cells(name, optimizer="adam"), strict=True):
        batch = sgd["batch_size.value"] if sgd["batch_size.exponent"] == "0" else "√n"
        found = [
            part
            for row in (sgd, adam)
            for part in (f"{100 * float(row['excess_risk']) / SMALLEST_LOSS:.2g} %", words(row["verdict"]))
        ]
        rows.append([batch, *found])
    return table("batch | SGD, above the smallest loss | verdict | Adam | verdict", rows)


def network_table(name: str) -> str:
    rows = []
    for row in cells(name):
        batch = row["batch_size.value"] if row["batch_size.exponent"] == "0" else "√n"
        numbers = [f"{float(row[key]):.3g}" for key in ("twin", "window", "risk")]
        rows.append([row["objective.weight_decay"], batch, *numbers, words(row["verdict"])])
    return table("weight decay | batch | twin floor | window floor | risk, held out | verdict", rows)


def digits_table(name: str) -> str:
    rows = []
    for row in cells(name):
        batch = row["batch_size.value"] if row["batch_size.exponent"] == "0" else "√n"
        numbers = [f"{float(row[key]):.3g}" for key in ("twin", "training_loss", "risk")]
        rows.append([batch, *numbers, words(row["verdict"])])
    return table("batch | twin floor | loss, learned from | loss, held out | verdict", rows)


def starts_table(name: str) -> str:
    rows = [[row["optimizer.beta1"], row["optimizer.beta2"], f"{100 * share(row):.1f} %"] for row in cells(name)]
    return table("β₁ | β₂ | run away", rows)


def epsilon_table(name: str) -> str:
    plain, memory = cells(name, optimizer__beta1="0"), cells(name, optimizer__beta1="0.9")
    rows = [
        [
            one["optimizer.eps"],
            f"{1 / (1 + float(one['optimizer.eps'])):.3f}",
            f"{100 * share(one):.1f} %",
            f"{100 * share(two):.1f} %",
        ]
        for one, two in zip(plain, memory, strict=True)
    ]
    return table("ε | speed, rates per step | run away, β = (0, 0) | run away, β = (0.9, 0.999)", rows)


def noise_table(name: str) -> str:
    sizes = dict.fromkeys(row["objective.gradient_noise.high"] for row in cells(name))
    rows = []
    for size in sizes:
        of_size = cells(name, objective__gradient_noise__high=size)
        rows.append([f"±{100 * float(size):g} %", *(f"{100 * share(row):g} %" for row in of_size)])
    betas = [f"({row['optimizer.beta1']}, {row['optimizer.beta2']})" for row in of_size]
    return table(" | ".join(["noise", *betas]), rows)


def vanishing_table(name: str) -> str:
    rows = []
    for rho in dict.fromkeys(row["learning_rate.exponent"] for row in cells(name)):
        last = []
        for row in cells(name, learning_rate__exponent=rho):
            steps = [int(path["caught_step"]) for path in read_rows(file_of(name, row, "outcomes.csv"))]
            last.append(f"{share(row, 'caught') * 100:g} %, by step {max(steps)}")
        rows.append([rho, *last])
    betas = [f"β = ({row['optimizer.beta1']}, {row['optimizer.beta2']})" for row in cells(name, learning_rate__exponent=rho)]
    return table(" | ".join(["ρ", *betas]), rows)


def escapes_table(name: str) -> str:
    share_of_one = 1 - 3**-0.5
    rows = [
        [row["objective.dim"], f"{100 * share(row):.1f} %", f"{100 * share_of_one ** int(row['objective.dim']):.1f} %"]
        for row in cells(name)
    ]
    return table("d | run away in all coordinates | (1 − 1/√3)^d", rows)


def orders_table(name: str) -> str:
    rows = []
    for sgd, adam in zip(cells(name, optimizer="sgd"), cells(name, optimizer="adam"), strict=True):
        dim = int(sgd["objective.dim"])
        numbers = [f"{float(row['twin']) / by:.3g}" for row in (sgd, adam) for by in (1, dim)]
        rows.append([str(dim), *numbers])
    return table("d | SGD, twin floor | per coordinate | Adam, twin floor | per coordinate", rows)


TABLES: dict[str, Callable[[str], str]] = {
    "dereich_threshold": threshold_table,
    "dereich_worst": worst_table,
    "dereich_floors": floors_table,
    "dereich_batches": batches_table,
    "dereich_network": network_table,
    "dereich_digits": digits_table,
    "toint_starts": starts_table,
    "toint_epsilon": epsilon_table,
    "toint_noise": noise_table,
    "toint_vanishing": vanishing_table,
    "toint_dimensions": escapes_table,
    "dereich_dimensions": orders_table,
}


# Pictures


def new_figure(height: float) -> Any:
    from matplotlib.figure import Figure  # heavy: a test of the digests does without

    return Figure(figsize=(10, height), layout="constrained")


def panels(*titles: str) -> tuple[Any, Any]:
    figure = new_figure(4)
    axes = figure.subplots(1, len(titles))
    for one, title in zip(axes, titles, strict=True):
        one.set_title(title, loc="left")
    return figure, axes


def bars(axes: Any, x: Any, rows: list[Row], key: str, **style: Any) -> None:
    """Means with their 95 % intervals."""
    mean, low, high = (column(rows, f"{key}{end}") for end in ("", "_low", "_high"))
    axes.errorbar(x, mean, (mean - low, high - mean), capsize=2, **style)


def draw_threshold() -> Any:
    name = "dereich_threshold"
    figure, (left, right) = panels("Error after 16 384 steps, rates c n^−ρ", "SGD on the way, exactly")
    left.axvspan(-0.06, 0.02, color=ADAM, alpha=0.15, lw=0)
    left.axvspan(0.02, 1.0, color=SGD, alpha=0.1, lw=0)
    left.axvspan(1.0, 2.06, color="0.5", alpha=0.15, lw=0)
    for optimizer, colour in (("sgd", SGD), ("adam", ADAM)):
        rows = cells(name, optimizer=optimizer)
        x = column(rows, "learning_rate.exponent")
        bars(left, x, rows, "mse_minimizer", color=colour, marker="o", ms=4, label={"sgd": "SGD", "adam": "Adam"}[optimizer])
    for x, text in ((0.6, "converges to\nthe minimizer"), (1.5, "stops before\nit is there")):
        left.text(x, 0.9, text, transform=left.get_xaxis_transform(), ha="center", va="center", color="0.3")
    left.annotate("does not\nconverge", (0, 0.3), (0.06, 0.6), color="0.3", va="center")
    left.set(yscale="log", xlabel="ρ", ylabel="E|Θ − minimizer|²", xlim=(-0.06, 2.06), ylim=(3e-5, 3))
    left.legend(loc="lower right")
    rows = [
        row
        for row in cells(name, optimizer="sgd")
        if row["learning_rate.exponent"] in ("0", "0.05", "0.2", "0.5", "0.9", "1.5")
    ]
    for k, row in enumerate(rows):
        theory = read_rows(file_of(name, row, "theory.csv"))
        step, error = column(theory, "step"), column(theory, "mse")
        (line,) = right.loglog(step, error, color=f"C{k}")
        right.text(step[-1] * 1.15, error[-1], row["learning_rate.exponent"], color=line.get_color(), va="center")
    right.text(0.95, 1.02, "ρ", transform=right.transAxes)
    right.set(xlabel="step n", xlim=(1, 4e4))
    return figure


def draw_bounds() -> Any:
    figure, (left, right) = panels(
        "How far paths go, of the way to the bound", "A lower bound for every ξ, by twins: rate 0.01"
    )
    rows = cells("dereich_worst")
    reached, labels = [], []
    for row in rows:
        datum = json.loads(row["objective.data.values"])[1]
        bound = json.loads(file_of("dereich_worst", row, "verdict.json").read_text(encoding="utf-8"))["bound"]["high"]
        reached.append((float(row["span_maximum: 0"]) ** 0.5 - datum) / (bound - datum))
        labels.append(f"β = ({row['optimizer.beta1']}, {row['optimizer.beta2']})")
    places = np.arange(len(rows))
    left.barh(places, reached, color=[SGD, THIRD, ADAM, ADAM], height=0.6)
    for place, value in zip(places, reached, strict=True):
        left.text(min(value + 0.02, 0.86), place, f"{value:.1%}", va="center", color="w" if value > 0.85 else "k")
    left.set(xlim=(0, 1), xlabel="0: the farthest datum    1: the a priori bound", yticks=places, yticklabels=labels)
    left.invert_yaxis()
    left.grid(axis="y", visible=False)
    shown = [("SGD", "", SGD), ("Adam, β₁ = 0", "0", THIRD), ("Adam, β₁ = 0.9", "0.9", ADAM)]
    for label, beta1, colour in shown:
        (row,) = cells("dereich_floors", optimizer__beta1=beta1, learning_rate__value="0.01")
        lag, value = lags("dereich_floors", row)
        right.loglog(lag, value, color=colour, marker="o", ms=3, label=label)
        right.axhline(float(row["mse_minimizer"]), color=colour, ls=":", lw=1)
    right.set(xlabel="steps since twins parted", ylabel="½ E|Θ − Θ′|²")
    right.text(1, 0.0118, "dotted: the plateau E|Θ − minimizer|²", color="0.3")
    right.set_ylim(1e-7, 0.03)
    right.legend(loc="lower right")
    return figure


def draw_batches() -> Any:
    name = "dereich_batches"
    figure, (left, right) = panels("Plateau on 442 patients, batches of M", "Bounded batches stop, growing ones do not")
    for optimizer, colour, order in (("sgd", SGD, -1.0), ("adam", ADAM, -0.5)):
        label = {"sgd": "SGD", "adam": "Adam"}[optimizer]
        rows = cells(name, optimizer=optimizer, batch_size__exponent="0")
        x = column(rows, "batch_size.value")
        bars(left, x, rows, "twin", color=colour, marker="o", ms=4, label=label)
        left.plot(x, float(rows[0]["twin"]) * x**order, color=colour, ls=":", lw=1)
        for row in cells(name, optimizer=optimizer):
            errors = read_rows(file_of(name, row, "error.csv"))
            growing, batch = row["batch_size.exponent"] != "0", row["batch_size.value"]
            if growing or batch in ("1", "16"):
                style = {"ls": "-", "lw": 2.2} if growing else {"ls": "--" if batch == "1" else ":"}
                text = f"{label}, {'√n' if growing else f'M = {batch}'}"
                right.loglog(column(errors, "step"), column(errors, "mse"), color=colour, label=text, **style)
    left.set(xscale="log", yscale="log", xlabel="batch size M", ylabel="twin floor")
    left.text(0.03, 0.05, "dotted: 1/M and 1/√M", transform=left.transAxes, color="0.3")
    left.legend(loc="upper right")
    right.set(xlabel="step n", ylabel="E|Θ − minimizer|²")
    right.legend(loc="lower left", fontsize=8)
    return figure


def draw_starts() -> Any:
    figure = new_figure(4.6)
    grid = figure.add_gridspec(2, 2, width_ratios=(1.25, 1), height_ratios=(1, 1.5))
    top, strips, right = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[1, 0]), figure.add_subplot(grid[:, 1])
    w = np.linspace(0, 1, 201)
    slope = -1 + 6 * w * (1 - w)
    top.plot(w, slope, color="k")
    top.axhline(0, color="0.5", lw=0.8)
    top.fill_between(w, slope, 0, where=slope < 0, color=ADAM, alpha=0.3, lw=0)
    top.set(xlim=(0, 1), ylabel="slope f′", xticklabels=[])
    top.set_title("Which starts between two knots run away (orange)", loc="left")
    chosen = [("toint_starts", row, f"({row['optimizer.beta1']}, {row['optimizer.beta2']})") for row in cells("toint_starts")]
    chosen = [chosen[k] for k in (0, 2, 3, 4)]
    chosen += [
        ("toint_epsilon", row, f"({row['optimizer.beta1']}, {row['optimizer.beta2']}), ε = {row['optimizer.eps']}")
        for row in cells("toint_epsilon")
        if row["optimizer.eps"] == "0.1"
    ]
    for place, (name, row, _) in enumerate(chosen):
        paths = read_rows(file_of(name, row, "outcomes.csv"))[:2000]
        start = column(paths, "start") * 10 * (1 + float(row.get("optimizer.eps", 0)))
        away = np.array([path["outcome"] == "escaped" for path in paths])
        for mask, colour in ((~away, "0.8"), (away, ADAM)):
            strips.vlines(start[mask], place - 0.38, place + 0.38, color=colour, lw=0.9)
    strips.set(xlim=(0, 1), ylim=(len(chosen) - 0.5, -0.5), yticks=range(len(chosen)), xlabel="start, in units of the interval")
    strips.set_yticklabels([label for *_, label in chosen])
    strips.set_ylabel("β")
    strips.grid(visible=False)
    for beta1, colour, label in (("0", SGD, "β = (0, 0)"), ("0.9", ADAM, "β = (0.9, 0.999)")):
        rows = cells("toint_epsilon", optimizer__beta1=beta1)
        right.plot(column(rows, "optimizer.eps"), [share(row) for row in rows], color=colour, marker="o", ms=4, label=label)
    right.axvline(0.2, color="0.5", ls=":")
    right.text(0.205, 0.5, "ε = 1/5", color="0.3")
    right.set(xscale="log", xlabel="ε in the denominator", ylabel="share of starts that run away", ylim=(-0.03, 1.05))
    right.set_xticks([0.01, 0.05, 0.1, 0.25, 0.5], ["0.01", "0.05", "0.1", "0.25", "0.5"])
    right.set_title("With ε", loc="left")
    right.legend(loc="center left")
    return figure


def draw_dimensions() -> Any:
    figure, (left, right) = panels("Toint's sum over d coordinates, random starts", "The lower bound on the quadratic")
    rows = cells("toint_dimensions")
    d = column(rows, "objective.dim")
    one = 1 - 3**-0.5
    left.plot(d, one**d, color=ADAM, ls=":", label="(1 − 1/√3)^d")
    left.plot(d, [share(row) for row in rows], color=ADAM, marker="o", ls="", label="run away in all coordinates")
    left.plot(d, 1 - (1 - one) ** d, color=SGD, ls=":", label="in at least one: 1 − (1/√3)^d")
    left.set(xlabel="d", xticks=d, ylim=(0, 1), ylabel="share of starts")
    left.legend(loc="center right")
    for optimizer, colour in (("sgd", SGD), ("adam", ADAM)):
        rows = cells("dereich_dimensions", optimizer=optimizer)
        d = column(rows, "objective.dim")
        bars(right, d, rows, "twin", color=colour, marker="o", ms=4, ls="", label={"sgd": "SGD", "adam": "Adam"}[optimizer])
        right.plot(d, d * {"sgd": 0.02 / 0.98, "adam": 0.009956}[optimizer], color=colour, ls=":")
    right.set(xscale="log", yscale="log", xlabel="d", ylabel="twin floor")
    right.set_xticks([1, 2, 4, 8, 16], ["1", "2", "4", "8", "16"])
    right.text(0.97, 0.05, "dotted: d times the closed form", transform=right.transAxes, ha="right", color="0.3")
    right.legend(loc="upper left")
    return figure


PICTURES: dict[str, Callable[[], Any]] = {
    "threshold": draw_threshold,
    "bounds": draw_bounds,
    "batches": draw_batches,
    "starts": draw_starts,
    "dimensions": draw_dimensions,
}


# Pages


def marked(text: str) -> list[tuple[str, str]]:
    """The configs of a page's tables, and the digests that it has of them."""
    return re.findall(r"^<!-- table: (\w+) ?(\w*) -->$", text, re.MULTILINE)


def out_of_date() -> list[str]:
    """The tables whose digest is not that of their config."""
    found = [(page, *mark) for page in sorted(PAGES.glob("*.md")) for mark in marked(page.read_text(encoding="utf-8"))]
    return [f"{page.name}: {name}" for page, name, known in found if known != digest(name)]


def fill(match: "re.Match[str]") -> str:
    name = match[1]
    return f"<!-- table: {name} {digest(name)} -->\n{TABLES[name](name)}"


def draw_all() -> None:
    import matplotlib as mpl  # heavy

    from nonconv.report.figures.axes import own_style

    IMAGES.mkdir(parents=True, exist_ok=True)
    with own_style():
        mpl.rcParams["text.parse_math"] = True  # of powers of ten on axes
        for name, draw in PICTURES.items():
            draw().savefig(IMAGES / f"{name}.png", dpi=130, metadata={"Software": None})


def main() -> None:
    if "--check" in sys.argv:
        old = out_of_date()
        print("\n".join(old) or "docs/answers is up to date")
        raise SystemExit(bool(old))
    for page in sorted(PAGES.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        page.write_text(MARKER.sub(fill, text), encoding="utf-8")
    draw_all()


if __name__ == "__main__":
    main()
