"""What a kernel's answer must be, and how far off it may be.

``evaluate`` runs a source kernel in float64 under a :class:`NumericContract`; ``judge`` compares a
machine's outputs with the result. Nothing here shares code with what it judges.
"""

from golden.contract import NumericContract, contract_for
from golden.errors import GoldenError
from golden.interpret import evaluate
from golden.judgement import Judgement, WrongTile
from golden.oracle import judge
from golden.result import GoldenResult, TensorResult

__all__ = [
    "GoldenError",
    "GoldenResult",
    "Judgement",
    "NumericContract",
    "TensorResult",
    "WrongTile",
    "contract_for",
    "evaluate",
    "judge",
]
