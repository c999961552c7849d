"""The gallery: configs of published claims. Each says in `claim` what is claimed and where, and in the comment at its top what
was seen.

    >>> [entry.name for entry in entries(Path("configs/gallery")) if "1904.09237" in entry.claim]
"""

from pathlib import Path
from typing import NamedTuple

from nonconv.config.files import read


class Entry(NamedTuple):
    """A config of the gallery. claim: with its paper. about: the comment at the top of the file, in one line."""

    name: str
    path: Path
    claim: str
    about: str


def find_folder() -> Path | None:
    """Return the folder of the gallery: that of the working directory, or of the repository that this program is run from."""
    folders = Path("configs", "gallery"), Path(__file__).parents[2] / "configs" / "gallery"
    return next((folder for folder in folders if folder.is_dir()), None)


def entries(folder: Path) -> list[Entry]:
    """Return the configs of a folder by name; those without a claim are blocks that others are based on."""
    found = [_entry(path) for path in sorted(folder.glob("*.yaml"))]
    return [entry for entry in found if entry.claim]


def _entry(path: Path) -> Entry:
    """Read one config, whatever is wrong with it."""
    data = read(path).data
    claim = data.get("claim") if isinstance(data, dict) else None
    return Entry(path.stem, path, claim if isinstance(claim, str) else "", _comment(path.read_text(encoding="utf-8")))


def _comment(text: str) -> str:
    """Return the comment at the top of a file."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    return " ".join(lines)
