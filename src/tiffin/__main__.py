"""`python -m tiffin`: the same as the `tiffin` command."""

from __future__ import annotations

import sys

from tiffin.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
