"""``python -m harness.language [PATH]``: the table of docs/language.md, printed or written."""

from __future__ import annotations

import sys
from pathlib import Path

from harness.language.names.table import markdown

if len(sys.argv) > 1:
    Path(sys.argv[1]).write_text(markdown(), encoding="utf-8")
else:
    sys.stdout.write(markdown())
