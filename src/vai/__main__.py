"""`python -m vai` is the command line too."""

from vai.cli import main

if __name__ == "__main__":
    main()
