"""``python -m chromasql`` is the command line."""

from chromasql.cli import main

if __name__ == "__main__":
    main()
