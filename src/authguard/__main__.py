"""`python -m authguard`: the console script, where its folder is not on the path."""

from authguard.cli import main

if __name__ == "__main__":
    main()
