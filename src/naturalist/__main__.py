"""``python -m naturalist`` is the command ``naturalist``."""

from naturalist.cli import main
from naturalist.without_pandas import refuse_pandas


def program() -> None:
    """Entry point of the command `naturalist`, in a process of its own."""
    refuse_pandas()
    main()


if __name__ == "__main__":
    program()
