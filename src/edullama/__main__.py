"""`python -m edullama` is the command `edullama`."""

from edullama.cli import main

main()
