"""Names a program gives to tensors: an accessor, and the argument that holds the address.

The address of ``A`` is the argument ``A_addr``. A tensor that is itself called so gets an accessor
of another name, by a rule that keeps different tensors apart and needs to see only one of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable


def accessor_name(tensor: str) -> str:
    """The accessor of a tensor: its name, one ``_`` longer where it ends like an address."""
    return f"{tensor}_" if re.search(r"_addr_*$", tensor) else tensor


def address_name(accessor: str) -> str:
    """The argument that holds the address behind an accessor."""
    return f"{accessor}_addr"


def argument_names(tensors: Iterable[str]) -> set[str]:
    """Every name that a program may need for some tensors."""
    accessors = [accessor_name(t) for t in tensors]
    return {*accessors, *map(address_name, accessors)}
