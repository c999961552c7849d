"""The gallery: configs of published claims. Each says in `claim` what is claimed and where, and in the comment at its top what
was seen.

    >>> [entry.name for entry in entries(Path("configs/gallery")) if "1904.09237" in entry.claim]
"""

from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from nonconv.config.files import read

FINDINGS = ("Holds", "Does not hold", "Undecided")
"""What nonconv may find of a claim: what the comment of its config begins with."""
TOPICS = (
    "Counterexamples and regret",
    "Phase diagrams",
    "Without noise",
    "Where the iterates go",
    "What restores convergence",
    "Noise and drift",
    "Interpolation and networks",
    "Plateaus and diffusions",
    "Open questions",
)
"""What claims are about, in the order of the gallery: the comment's line `Topic: Phase diagrams`."""


class Entry(NamedTuple):
    """A config of the gallery.

    topic: one of TOPICS, or empty. claim: with its paper. seen: what the comment at the top says, in one line. finding: what it
    begins with, one of FINDINGS, or empty. picture: the name of the figure that shows it best: its line `Picture: orbit`.
    """

    name: str
    path: Path
    topic: str
    claim: str
    finding: str
    seen: str
    picture: str


def find_folder() -> Path | None:
    """Return the folder of the gallery: that of the working directory, or of the repository that this program is run from."""
    folders = Path("configs", "gallery"), Path(__file__).parents[2] / "configs" / "gallery"
    return next((folder for folder in folders if folder.is_dir()), None)


def entries(folder: Path) -> list[Entry]:
    """Return the configs of a folder by topic and name; those without a claim are blocks that others are based on."""
    found = [_entry(path) for path in sorted(folder.glob("*.yaml"))]
    return sorted((entry for entry in found if entry.claim), key=lambda entry: [*TOPICS, entry.topic].index(entry.topic))


def _entry(path: Path) -> Entry:
    """Read one config, whatever is wrong with it."""
    data = read(path).data
    claim = data.get("claim") if isinstance(data, dict) else None
    told = dict.fromkeys(("Topic", "Picture"), "")
    about = []
    for line in _comment(path.read_text(encoding="utf-8")):
        key, _, value = line.partition(": ")
        if key in told:
            told[key] = value.rstrip(".")
        else:
            about.append(line)
    text = " ".join(about)
    finding = next((word for word in FINDINGS if text.startswith(word)), "")
    return Entry(path.stem, path, told["Topic"], claim if isinstance(claim, str) else "", finding, text, told["Picture"])


def _comment(text: str) -> list[str]:
    """Return the lines of the comment at the top of a file."""
    lines = takewhile(lambda line: line.startswith("#"), text.splitlines())
    return [line.removeprefix("#").strip() for line in lines]
