"""`python -m grokscope.cli` is `grokscope`."""

import sys

from grokscope.cli import main

sys.exit(main())
