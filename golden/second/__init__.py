"""A second opinion on the source: plain loops in float64, compiled by TVM's LLVM target.

Golden's interpreter and the compiler read one source; a meaning both get wrong alike nobody sees.
Here the source is lowered anew, to scalar loops without planes, bounds or tiles, and run natively.
Of golden's evaluation nothing is used: only how a source is read and what the host stores. A test
and a contract of the import linter hold that.
"""

from golden.second.errors import NoSecondOpinionError
from golden.second.opinion import Opinion, SecondOpinion, compared, second_opinion

__all__ = ["NoSecondOpinionError", "Opinion", "SecondOpinion", "compared", "second_opinion"]
