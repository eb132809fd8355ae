"""`python -m speechrnn` is the `speechrnn` command."""

import sys

from speechrnn.cli import main

if __name__ == "__main__":
    sys.exit(main())
