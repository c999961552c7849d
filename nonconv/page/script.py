"""The script that draws charts in the browser: Vega, Vega-Lite and vega-embed in one text, kept between runs.

Bundling it takes longer than all else in a page, and it is the same for the same versions of the libraries. So it lies in
the user's cache folder, named by these versions, behind a digest: a file that is damaged is made again.
"""

import hashlib
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from nonconv.engine.kernel_files import cache_folder
from nonconv.faults.errors import UsageError
from nonconv.readback import read_bytes
from nonconv.system.atomic import write_whole

SNIPPET = "window.vegaEmbed = vegaEmbed;"
"""What the bundle gives to the page's own script: the one function that draws a chart."""


def vega_script() -> str:
    """Return the script, from the cache where a whole one is. The same text with and without a cache."""
    name = _name()
    path = cache_folder().parent / "pages" / f"{name}.js"
    found = _read(path, name)
    if found is not None:
        return found.decode()
    content = _bundle().encode()
    with suppress(OSError):  # without a writable cache it is made each time
        write_whole(path, _mark(name, content) + content)
    return content.decode()


def _name() -> str:
    """Return a name that says which versions of the libraries are in the bundle."""
    import altair

    known = f"{altair.SCHEMA_VERSION} vl-convert {version('vl-convert-python')} {SNIPPET}"
    return f"vega-{hashlib.sha256(known.encode()).hexdigest()[:24]}"


def _bundle() -> str:
    """Bundle the libraries. Raises UsageError if their versions do not go together."""
    import altair
    import vl_convert

    major, minor, *_ = altair.SCHEMA_VERSION.removeprefix("v").split(".")
    try:
        text: str = vl_convert.javascript_bundle(SNIPPET, vl_version=f"{major}.{minor}")
    except (RuntimeError, ValueError):  # one of the two is older
        have = f"altair {version('altair')} and vl-convert-python {version('vl-convert-python')}"
        raise UsageError(f"{have} do not go together\n  install newer ones: pip install -U altair vl-convert-python") from None
    # Within HTML a script ends at this text, wherever that stands.
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _read(path: Path, name: str) -> bytes | None:
    """Return the script in a file of the cache; None if there is none, or it is not as it was written."""
    with suppress(OSError):
        raw = read_bytes(path)
        mark = _mark(name, b"")
        content = raw[len(mark) :]
        if raw[: len(mark)] == _mark(name, content):
            return content
    return None


def _mark(name: str, content: bytes) -> bytes:
    """Return the line before a script: a digest of its name and content."""
    return hashlib.sha256(name.encode() + content).hexdigest().encode() + b"\n"
