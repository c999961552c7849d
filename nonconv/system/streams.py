"""Standard streams that cannot harm: closed ones are opened, and what is printed cannot command a terminal.

Names of files, keys and values are the user's, or somebody else's. An ESC in one of them could clear the screen, and U+202E
turn a line around. Every text that is printed passes `visible`, which writes such a character as its escape, `\\u001b`.
"""

import codecs
import io
import os
import re
import sys
from typing import Any

INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
"""Control characters but tab and line end, formatting characters, half surrogate pairs."""


def visible(text: str) -> str:
    """Return a text with every character that is not to be seen, but acts on a terminal, as its escape."""
    return INVISIBLE.sub(_escape, text)


def in_line(text: str) -> str:
    """Do as `visible`, and escape line ends as well: for a name or a value within a sentence."""
    return visible(text).replace("\n", "\\n")


def _escape(found: "re.Match[str]") -> str:
    """Return the escape of a character as JSON reads it: in 16 bits, or twice 16."""
    raw = found.group().encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{raw[at : at + 4]}" for at in range(0, len(raw), 4))


LEGIBLE = {
    "Θ": "Theta", "θ": "theta", "ξ": "xi", "α": "alpha", "β": "beta", "γ": "gamma", "ε": "eps", "η": "eta", "κ": "kappa",
    "λ": "lambda", "μ": "mu", "σ": "sigma", "ρ": "rho", "τ": "tau", "φ": "phi", "∇": "grad ", "∞": "inf", "·": ".",
    "±": "+-", "×": "x", "÷": "/", "−": "-", "–": "-", "—": "-", "…": "...", "≤": "<=", "≥": ">=", "≠": "!=", "≈": "~",
    "√": "sqrt", "→": "->",
    "─": "-", "│": "|", "²": "^2", "³": "^3", "¹": "^1", "½": "1/2", "ₙ": "_n", "₀": "_0", "₁": "_1", "₂": "_2",
    "⁻": "^-", "ᵖ": "^p", "’": "'", "“": '"', "”": '"',
}  # fmt: skip
"""How characters of formulas are written where a terminal has no more than ASCII."""


def legible(text: str, encoding: str | None) -> str:
    """Return a text as a stream of this encoding shows it: `E|Theta - xi|^2` where there are no Greek letters."""
    if not encoding or encoding.lower().replace("-", "") in ("utf8", "utf8sig") or text.isascii():
        return text
    return text.encode(encoding, _REPLACED).decode(encoding)


def _replaced(error: UnicodeError) -> tuple[str, int]:
    """Return what stands for characters that an encoding lacks, and where to go on."""
    assert isinstance(error, UnicodeEncodeError)
    return "".join(LEGIBLE.get(one, "?") for one in error.object[error.start : error.end]), error.end


_REPLACED = "nonconv.legible"
codecs.register_error(_REPLACED, _replaced)


class Visible(io.TextIOWrapper):
    """A text stream that escapes what it writes. An OSError names it as its file."""

    def __init__(self, stream: io.TextIOWrapper, title: str) -> None:
        # A terminal without Greek letters must not make a command fail.
        super().__init__(
            stream.buffer,
            stream.encoding,
            _REPLACED,
            line_buffering=stream.line_buffering,
            write_through=stream.write_through,
        )
        self.title = title

    def write(self, text: str) -> int:
        """Write the escaped text. Raises OSError."""
        return self.write_unescaped(visible(text))

    def write_unescaped(self, text: str) -> int:
        """Write a text as it is. Raises OSError."""
        try:
            return super().write(text)
        except OSError as error:
            error.filename = self.title
            raise

    def flush(self) -> None:
        """Write what is buffered. Raises OSError."""
        try:
            super().flush()
        except OSError as error:
            error.filename = self.title
            raise


class Unescaped:
    """A stream of `Visible` for tables and bars, whose colours are escape sequences. Their texts must be escaped before."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write a text as it is."""
        write = self.stream.write_unescaped if isinstance(self.stream, Visible) else self.stream.write
        return int(write(text))

    def __getattr__(self, name: str) -> Any:
        """Return whatever else the stream has, as `isatty`."""
        return getattr(self.stream, name)


def open_closed_streams() -> None:
    """Open /dev/null for every standard stream that is closed, as `2>&-` leaves it.

    The next file that is opened would otherwise take its number, and get what is meant for the stream.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the least free number, which is this one
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def make_visible() -> None:
    """Let what is printed from now on be escaped."""
    for name, title in (("stdout", "standard output"), ("stderr", "standard error")):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper) and not isinstance(stream, Visible):
            stream.flush()
            setattr(sys, name, Visible(stream, title))
            KEPT.append(stream)


KEPT: list[io.TextIOWrapper] = []
"""The streams that `Visible` has replaced: they would close their files when they are collected."""
