"""``python -m naturalist`` is the command ``naturalist``."""

from naturalist.cli import main

if __name__ == "__main__":
    main()
