"""The long view of a plan: everything ``plan show`` adds to the short one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.report.l1 import l1_lines
from harness.report.terminal import Line, columns, section


def plan_details(summary: Mapping[str, Any]) -> list[Line]:
    """Tables of tensors, circular buffers, L1, work, programs and semaphores."""
    return [
        *section("Tensors", _tensors(summary)),
        *section("Circular buffers", _buffers(summary)),
        *section(f"L1 of core {summary['l1']['core']}", l1_lines(summary["l1"])),
        *section("Work", _work(summary)),
        *section("Programs", _programs(summary)),
        *(section("Semaphores", _semaphores(summary)) if summary["semaphores"] else ()),
    ]


def _tensors(summary: Mapping[str, Any]) -> list[Line]:
    rows = [("name", "role", "dtype", "shape", "padded", "memory", "layout", "pages", "address")]
    rows += [
        (t["name"], t["role"], t["dtype"], _by(t["shape"]), _by(t["padded"]), t["memory"],
         t["layout"], f"{t['pages']:,}", f"{t['address']:#x}")
        for t in summary["tensors"]
    ]  # fmt: skip
    return columns(rows, "<<<<<<<>>")


def _buffers(summary: Mapping[str, Any]) -> list[Line]:
    rows = [("id", "name", "format", "depth", "page", "address", "producer", "consumer", "cores")]
    rows += [
        (str(b["id"]), b["name"], b["format"], str(b["depth"]), f"{b['page_bytes']:,}",
         f"{b['address']:#x}", b["producer"], b["consumer"],
         b["cores"] + _notes(b))
        for b in summary["circular_buffers"]
    ]  # fmt: skip
    return columns(rows, "><<>>><<<")


def _notes(buffer: Mapping[str, Any]) -> str:
    notes = [f"shares {buffer['shares']}"] if buffer["shares"] else []
    notes += ["unpacked to DST"] if buffer["unpack_to_dest"] else []
    return f" ({', '.join(notes)})" if notes else ""


def _work(summary: Mapping[str, Any]) -> list[Line]:
    rows = [(w["core"], str(w["blocks"]), w["which"]) for w in summary["work"] if w["blocks"]]
    return columns(rows, "<><")


def _programs(summary: Mapping[str, Any]) -> list[Line]:
    rows = [
        (k["program"], k["cores"], k["config"], ", ".join(k["compile_args"] + k["common_args"]))
        for k in summary["kernels"]
    ]
    return columns(rows)


def _semaphores(summary: Mapping[str, Any]) -> list[Line]:
    return columns(
        [(f"sem{s['id']}", str(s["initial"]), s["cores"]) for s in summary["semaphores"]]
    )


def _by(extents: list[int]) -> str:
    return "x".join(map(str, extents))
