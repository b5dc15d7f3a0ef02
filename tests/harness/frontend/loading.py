"""Loading the sample file as the command line does."""

from pathlib import Path
from typing import Any

from harness.kernelfile import Source, load_kernel

KERNELS = Path(__file__).with_name("kernels.py")


def kernel(name: str, **params: Any) -> Any:
    """The PrimFunc of a sample kernel."""
    return load_kernel(Source(KERNELS, name), params)


def load(tmp_path: Path, text: str, name: str = "k", **params: Any) -> Any:
    """The PrimFunc of a kernel written to a file of its own."""
    path = tmp_path / "user.py"
    path.write_text(text, encoding="utf-8")
    return load_kernel(Source(path, name), params)
