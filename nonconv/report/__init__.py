"""From measurements to files that people read: tables, figures, a summary."""

from pathlib import Path

from nonconv.report.files import data_files
from nonconv.report.run import read_run

__all__ = ["data_files", "render"]


def render(folder: Path) -> dict[str, bytes]:
    """The figures and the summary of a folder that has its data files, by name."""
    from nonconv.report.figures import draw  # matplotlib is heavy
    from nonconv.report.summary import markdown

    run = read_run(folder)
    figures = {f"figures/{name}": content for name, content in draw(run).items()}
    return figures | {"summary.md": markdown(run).encode()}
