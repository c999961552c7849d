"""The `nonconv` program. Importing matplotlib takes longest, so another process begins that before the command is read."""

import sys

DRAWING_COMMANDS = ("run", "sweep")
OPTIONS_WITHOUT_FIGURES = {"--dry-run", "--help", "-h"}


def main() -> None:
    """Run the command in sys.argv."""
    if sys.argv[1:2] and sys.argv[1] in DRAWING_COMMANDS and not OPTIONS_WITHOUT_FIGURES.intersection(sys.argv):
        from nonconv.report.figures import drawing_process

        drawing_process.start_early()
    from nonconv import cli

    cli.main()


if __name__ == "__main__":
    main()
