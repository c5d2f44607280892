"""The command line: parse, make one call, print the result."""

import sys

from naturalist.errors import INTERRUPTED_EXIT_CODE


def main() -> None:
    """Run the command line with `sys.argv`, and exit with its code."""
    try:
        from naturalist.cli.app import main as run
    except KeyboardInterrupt:
        # Nothing has begun, and there is nothing to say.
        sys.exit(INTERRUPTED_EXIT_CODE)
    run()
