"""The survey of a large sweep, kept in its folder while that is unfinished.

Making a hundred thousand cells takes a minute, and only the first command needs it: the same config, by the same code, has the
same cells. Where files or plug-ins decide as well, the survey is made again.
"""

import hashlib
import json
from array import array
from pathlib import Path
from typing import Any

import numpy as np

from nonconv.store.folder import read_sealed, sealed
from nonconv.store.pack import UNFINISHED_FOLDER
from nonconv.sweeps.same_code import code
from nonconv.sweeps.sweep import IDENTITY_BYTES, Each, Survey, Sweep
from nonconv.system.atomic import write_whole

SAVED = "survey"
"""The file's name in the folder of what is unfinished."""
LARGE = 2000
"""The survey of a sweep with fewer cells takes no longer than the start of the command."""
AS_ARRAYS = ("ids", "files", "each")
"""Fields that are not in the JSON: the names and numbers of cells, and files, of which there are none."""


def save(folder: Path, sweep: Sweep, survey: Survey) -> None:
    """Save the survey of a large sweep in its output folder. Raises OSError."""
    if len(survey.ids) < LARGE or not _decides_alone(sweep) or survey.files:
        return
    about = {name: value for name, value in survey._asdict().items() if name not in AS_ARRAYS}
    each, text = survey.each, json.dumps(about | {"known": list(survey.each.known)})
    if json.loads(text)["config"] != about["config"]:  # it has what JSON has not, as a nan or a number for a key
        return
    arrays = {
        "about": np.array(text),
        "ids": np.array(survey.ids),
        "identities": np.frombuffer(each.identities, np.uint8),
        **{name: np.array(getattr(each, name)) for name in ("seconds", "path_steps", "kinds")},
    }
    write_whole(folder / UNFINISHED_FOLDER / SAVED, sealed(_key(sweep), arrays))


def load(folder: Path, sweep: Sweep) -> Survey | None:
    """Load the survey of a sweep from its output folder; None if there is none of just this grid, by this code."""
    path = folder / UNFINISHED_FOLDER / SAVED
    if not path.exists() or not _decides_alone(sweep):
        return None
    arrays = read_sealed(path, _key(sweep))
    if arrays is None:
        return None
    about: dict[str, Any] = json.loads(str(arrays["about"]))
    each = Each(
        seconds=array("d", arrays["seconds"].tolist()),
        path_steps=array("d", arrays["path_steps"].tolist()),
        identities=bytearray(arrays["identities"].tobytes()),
        kinds=array("L", arrays["kinds"].tolist()),
        known={(objective, optimizer): number for number, (objective, optimizer) in enumerate(about.pop("known"))},
    )
    assert len(each.identities) == len(each.seconds) * IDENTITY_BYTES
    tuples = {name: tuple(value) for name, value in about.items() if isinstance(value, list)}
    return Survey(ids=tuple(arrays["ids"].tolist()), files={}, each=each, **about | tuples)


def _decides_alone(sweep: Sweep) -> bool:
    """Whether the config decides which cells there are: it has no plug-ins. Those with files are not saved."""
    return not sweep.document.catalogue.plugins


def _key(sweep: Sweep) -> str:
    """Return what the survey depends on, as a hash: on the order of swept keys too, which is that of the cells."""
    found = {"config": sweep.config, "name": sweep.name, "figures": sweep.figures, "code": code()}
    return hashlib.sha256(json.dumps(found, default=repr).encode()).hexdigest()
