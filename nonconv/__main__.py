"""The `nonconv` program. What takes longest begins first: another process loads matplotlib while this one reads its command."""

import sys

DRAWING = ("run", "sweep")
WITHOUT = {"--dry-run", "--help", "-h"}


def main() -> None:
    if sys.argv[1:2] and sys.argv[1] in DRAWING and not WITHOUT.intersection(sys.argv):
        from nonconv.report.figures import drawing_process

        drawing_process.start_early()
    from nonconv import cli

    cli.main()


if __name__ == "__main__":
    main()
