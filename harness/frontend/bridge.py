"""``--frontend tilelang``: TileLang parses in a process of its own and hands over JSON.

TileLang brings a TVM of its own, which cannot be loaded beside ours, so a Python that has TileLang
runs ``walker.py``; ``TT_HARNESS_TILELANG_PYTHON`` names it where it is not the running one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from harness.frontend.errors import FrontendError

PYTHON: Final = "TT_HARNESS_TILELANG_PYTHON"
"""Environment variable: the Python that has TileLang."""
INSTALL: Final = "python3 -m venv DIR && DIR/bin/pip install tilelang"
"""What makes a Python that has it: an environment of its own, its apache-tvm-ffi is not ours."""
_SECONDS: Final = 300
_WALKER: Final = Path(__file__).with_name("walker.py")


def python() -> str:
    """The Python that is asked."""
    return os.environ.get(PYTHON) or sys.executable


@cache
def unavailable(executable: str) -> str | None:
    """Why a Python cannot run TileLang; None where it can."""
    try:
        done = subprocess.run(  # noqa: S603  (the Python the user named)
            [executable, "-c", "import tilelang"], capture_output=True, text=True, check=False,
            timeout=_SECONDS,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return None
    return (done.stderr.strip().splitlines() or ["it does not start"])[-1]


def load_with_tilelang(path: Path, name: str, params: Mapping[str, Any]) -> Any:
    """The PrimFunc of a kernel as TileLang parsed it.

    Raises:
        FrontendError: no TileLang, or what it said about the file.
        LanguageError: IR this language has no meaning for.
    """
    from harness.language.parsing.rebuild import rebuild

    why = unavailable(python())
    if why is not None:
        raise FrontendError(f"TileLang cannot be used: {why}", code="MissingLibrary",
                            location="frontend",
                            next_step=f"{INSTALL}, then {PYTHON}=DIR/bin/python")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "kernel.json"
        done = subprocess.run(  # noqa: S603  (our own script, the user's own file)
            [python(), str(_WALKER), str(path), name, str(output)], check=False, timeout=_SECONDS,
            input=json.dumps(dict(params)), capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise FrontendError(f"TileLang does not take it: {last}", code="SourceError",
                                location=f"{path}:{name}")  # fmt: skip
        return rebuild(json.loads(output.read_text(encoding="utf-8")))
