"""python -m makemore: the command line."""

from makemore.cli.main import main

if __name__ == "__main__":
    main()
