"""`driftline`, and `python -m pipelines` where its script is not on the path."""

import sys


def main() -> None:
    """Run the command line; also what is imported for it may be interrupted."""
    try:
        from pipelines.cli import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
