"""What a user asks of figures: a title, other words, a size, a style, a font. None of it changes a number.

A folder keeps what its config asks for (`figures:`), so its figures can be drawn again; options of `plot` come on top.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nonconv.readback import read_object
from nonconv.report.run import read_config
from nonconv.report.sweep_result import SWEEP_TABLE

NUMBER = "{}"
"""In a label stands for any word or number, which is kept."""
UNITS = {"in": 1.0, "cm": 1 / 2.54, "mm": 1 / 25.4}
SIZE = re.compile(r"\s*([0-9.]+)\s*(in|cm|mm)?\s*[,x×]\s*([0-9.]+)\s*(in|cm|mm)?\s*")
OWN_STYLES: Mapping[str, Mapping[str, Any]] = {
    "paper": {
        "font.size": 7.5, "lines.linewidth": 1.0, "axes.linewidth": 0.6, "grid.linewidth": 0.3,
        "xtick.major.width": 0.6, "ytick.major.width": 0.6, "xtick.major.size": 2.5, "ytick.major.size": 2.5,
        "legend.handlelength": 1.8, "figure.dpi": 300,
    },
    "slide": {
        "font.size": 18, "lines.linewidth": 2.4, "axes.linewidth": 1.2, "grid.linewidth": 0.7,
        "xtick.major.width": 1.2, "ytick.major.width": 1.2, "figure.figsize": "10, 5.6", "figure.dpi": 160,
    },
}  # fmt: skip
"""Our own styles: a column of a paper, and a slide of 16 : 9."""
COLUMN, PAGE, WIDE = 3.25, 6.75, 7.0
"""Inches: in the style `paper` figures are as wide as a column, those that are wider than WIDE on screen as a page."""


@dataclass(frozen=True)
class FigureOptions:
    """How figures look. style: a name, or matplotlib's settings. size: inches. labels: texts, and what replaces them.

    used: those labels that have replaced something, found as figures are drawn. single: those that
    were given one by one. file: where the others are from.
    """

    title: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    size: tuple[float, float] | None = None
    style: str | Mapping[str, Any] | None = None
    font: str | None = None
    used: set[str] = field(default_factory=set)
    single: frozenset[str] = frozenset()
    file: str = ""

    def over(self, other: "FigureOptions") -> "FigureOptions":
        """Return these options, and where they say nothing those of another; labels of both."""
        mine = {name: getattr(self, name) for name in ("title", "size", "style", "font") if getattr(self, name) is not None}
        return replace(other, **mine, labels={**other.labels, **self.labels}, used=set(), single=self.single, file=self.file)


PLAIN = FigureOptions()


def options_from(block: Mapping[str, Any]) -> FigureOptions:
    """Return what the `figures` of a resolved config asks for."""
    size = block.get("size")
    return FigureOptions(
        title=block.get("title"),
        labels=block.get("labels") or {},
        size=(float(size[0]), float(size[1])) if size else None,
        style=block.get("style"),
        font=block.get("font"),
    )


def read_options(folder: Path) -> FigureOptions:
    """Read what the config of a folder, of a run or a sweep, asks of its figures. Raises UsageError for a damaged file."""
    if (folder / SWEEP_TABLE).exists():
        return options_from((read_object(folder / "sweep.json") or {}).get("figures") or {})
    path = folder / "config.yaml"
    return options_from(read_config(path).get("figures") or {}) if path.exists() else PLAIN


def parse_size(text: str) -> tuple[float, float]:
    """Read `3.25,2.4` in inches, or `82mm,60mm`, `8.2cm,6cm`; one unit holds for both. Raises ValueError."""
    found = SIZE.fullmatch(text)
    if found is None:
        raise ValueError(text)
    units = found[2] or found[4] or "in", found[4] or found[2] or "in"
    width, height = (float(number) * UNITS[unit] for number, unit in zip((found[1], found[3]), units, strict=True))
    return width, height


def parse_label(text: str) -> tuple[str, str]:
    """Split NAME=TEXT at the first = without spaces around it, since a name may be `ξ = 0.5`. Raises ValueError."""
    found = re.fullmatch(r"(.+?)(?<! )=(?! )(.*)", text, re.DOTALL) or re.fullmatch(r"(.+?)\s*=\s*(.*)", text, re.DOTALL)
    if found is None:
        raise ValueError(text)
    return found[1].strip(), found[2]


class Words:
    """Replaces texts, whole or in part. used: the labels that have replaced something."""

    def __init__(self, labels: Mapping[str, str], used: set[str]) -> None:
        self.labels, self.used = labels, used
        longest_first = sorted(labels, key=lambda name: (-len(name), name))
        self.patterns = {name: _pattern(name) for name in longest_first}
        self.any = re.compile("|".join(self.patterns.values())) if labels else None

    def replaced(self, text: str) -> str:
        """Return a text in the user's words. What has been replaced is not looked at again."""
        if self.any is None or not text.strip():
            return text
        whole = " ".join(text.split())
        if whole in self.labels:
            self.used.add(whole)
            return self.labels[whole]
        return self.any.sub(self._replace, text)

    def _replace(self, found: re.Match[str]) -> str:
        """Return what replaces a part of a text."""
        for name, pattern in self.patterns.items():
            # Matched at its place in the whole text, since a pattern looks at what is around it.
            own = re.compile(pattern).match(found.string, found.start())
            if own and own.end() == found.end():
                self.used.add(name)
                groups = iter(own.groups())
                parts = self.labels[name].split(NUMBER)
                return parts[0] + "".join(next(groups, "") + part for part in parts[1:])
        return found[0]


def _pattern(name: str) -> str:
    """Return the pattern of a label: whole words, lines broken anywhere between them; {} is any word."""
    words = [r"(\S+)".join(re.escape(part) for part in word.split(NUMBER)) for word in name.split()]
    before, after = r"(?<!\w)" if name[:1].isalnum() else "", r"(?!\w)" if name[-1:].isalnum() else ""
    return before + r"\s+".join(words) + after


POWER = re.compile("[−-]?10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+")
NUMBERS = re.compile(r"(?<![\w.])[−-]?\d[\d.,]*(e[−+-]?\d+)?(?![\w.]*\w)(?! − [^\W\d_])")
"""Numbers in a text, but not the 1 of a formula such as `1 − β₁`."""


def listed(texts: Iterable[str]) -> list[str]:
    """Return what can be replaced of texts: each once, with {} for numbers, and no text that is a number alone."""
    found = dict.fromkeys(NUMBERS.sub(NUMBER, " ".join(text.split())) for text in texts if not POWER.fullmatch(text))
    return [text for text in found if re.search(r"[^\W\d_]", text.replace(NUMBER, ""))]
