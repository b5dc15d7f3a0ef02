"""The numeric contract: defaults, refusals, and independence of artifacts."""

from __future__ import annotations

import json

import pytest

from golden import GoldenError, contract_for
from harness.kernels.gemm import matmul


@pytest.mark.parametrize(
    ("family", "fp32_dest", "fidelity", "dest"),
    [
        ("wormhole", None, "HiFi3", "float32"),
        ("wormhole", False, "HiFi4", "bfloat16"),
        ("blackhole", None, "HiFi4", "float32"),
        ("grayskull", False, "HiFi4", "bfloat16"),
    ],
)
def test_defaults(family: str, fp32_dest: bool | None, fidelity: str, dest: str) -> None:
    """Protects the default precision of each device: the bound of every verdict rests on it."""
    contract = contract_for(matmul(), family, fp32_dest=fp32_dest)
    assert (contract.fidelity, contract.dest) == (fidelity, dest)
    assert contract.modes() == {
        "math_fidelity": fidelity,
        "fp32_dest_acc_en": dest == "float32",
        "math_approx_mode": False,
    }


def test_float32_accumulator_on_grayskull_is_refused() -> None:
    """Keeps a 16-bit accumulation from being judged as if the source had asked for it."""
    with pytest.raises(GoldenError, match="--no-fp32-dest"):
        contract_for(matmul(), "grayskull")
    with pytest.raises(GoldenError, match="no 32-bit"):
        contract_for(matmul(), "grayskull", fp32_dest=True)
    assert contract_for(matmul(accum_dtype="bfloat16"), "grayskull").dest == "bfloat16"


def test_unknown_names_are_refused() -> None:
    """Keeps a misspelt option from silently choosing a default."""
    with pytest.raises(GoldenError, match="family"):
        contract_for(matmul(), "quasar")
    with pytest.raises(GoldenError, match="fidelity"):
        contract_for(matmul(), fidelity="HiFi5")


def test_float32_passes_as_tf32_unless_float16_is_present() -> None:
    """Protects the one place where a buffer's dtype narrows the operands of all products."""
    assert contract_for(matmul(dtype="float32")).float32_source == "tfloat32"
    assert contract_for(matmul(dtype="float16", out_dtype="float32")).float32_source == "bfloat16"
    assert contract_for(matmul(dtype="float32"), fp32_dest=False).float32_source == "bfloat16"


def test_plain_data() -> None:
    """Lets a contract stand in a report."""
    document = json.loads(json.dumps(contract_for(matmul()).to_json()))
    assert document["storage"]["C_local"] == "float32"
