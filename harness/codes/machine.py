"""What each rule of the machine means on a chip, beyond the line in ``simulator.findings``.

Sources: tt-metal 0.81.1 (dataflow_api.h, cb_api.h, llk_io, compute_kernel_api), the public ISA
documentation of Wormhole and Blackhole, and the observations in tests/vectors/facts.json.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

HARDWARE: Final = MappingProxyType({
    "InvalidPlan": "Nothing runs: the host could not create buffers, circular buffers or kernels"
    " from such a plan, or would create others than were meant.",
    "PlanInconsistent": "The host would follow one of the two places and the kernels the other:"
    " cores work on blocks nobody else expects, and no check on the chip notices.",
    "InvalidProgram": "The kernel would not compile, or would be compiled for a RISC-V that has no"
    " such call.",
    "CBOverflow": "cb_push_back only adds to a 16-bit counter; nothing compares it with the depth."
    " What is free wraps to some 65,535 pages, and pages the consumer has not read yet are"
    " overwritten. No error is raised.",
    "CBUnderflow": "cb_pop_front only adds to a 16-bit counter. The difference of the two counters"
    " wraps, and the consumer sees thousands of pages that are not there: it reads old data.",
    "CBWrap": "Data-movement threads compare the pointer with the end of the buffer for equality: a"
    " pointer that steps over the end runs on past the buffer for ever over what lies behind in L1."
    " Pages of one revolution must sum exactly to the depth.",
    "CBWindow": "Outside the window the page belongs to the other thread. Whether the access meets"
    " old data, new data or half of each depends on timing.",
    "CBCapacity": "cb_reserve_back and cb_wait_front spin until the counter reaches a number it"
    " cannot reach: the core hangs, and the host times out.",
    "CBEndpoint": "Counters of a circular buffer have one writer each. Two threads that push lose"
    " each other's updates; which update is lost depends on timing.",
    "DirtyExit": "The chip does not mind: counters and DST are reset by the next launch. It is a"
    " sign that reader, compute and writer disagree about how many pages there are, and a hang with"
    " other sizes. Level hardware does not report pages left over.",
    "Deadlock": "All RISC-Vs of the core spin, for ever. The host waits in Finish; the watcher"
    " shows where each one stands. A device needs a reset.",
    "Race": "The result depends on which transfer or thread comes first, which changes with clock,"
    " firmware, harvesting and neighbours on the NoC. It may be right a thousand times.",
    "StrayWrite": "Nothing guards L1: another circular buffer, a tensor, a semaphore or the"
    " firmware's memory is overwritten, perhaps on another core; it shows where that is read.",
    "UninitialisedRead": "L1, DRAM and padding hold what the last program left there. The numbers"
    " look plausible, and differ from run to run.",
    "Unbarriered": "NoC commands return before the data moves. What is read before the barrier is"
    " old data or half of the new.",
    "L1Overflow": "tt-metal refuses to launch: statically allocated circular buffers clash with L1"
    " buffers, or grow beyond the end of L1.",
    "DstCapacity": "DST has 16 tiles of 16 bits or 8 of 32; half-sync mode leaves half of them to"
    " math. An index beyond is not refused: it reaches the packer's half, or wraps.",
    "DstProtocol": "acquire, commit, wait and release are semaphores between math and packer. Out"
    " of order, both sides use one half at a time, or one of them waits for ever.",
    "StaleConfig": "Unpacker, math and packer keep the configuration of the last init or"
    " reconfig. Under another op's, data is read in the wrong format, face order or mask, without"
    " an error.",
    "Misaligned": "The NoC moves data in bursts; source and destination must agree modulo the"
    " alignment (16 bytes in L1, 32 or 64 in DRAM). Otherwise bytes land shifted.",
    "OutOfBounds": "There is no memory protection. The access reaches another tensor, another bank,"
    " or a core that runs something else; a transfer to a place that is no core hangs the NoC.",
    "DoubleWrite": "The last transfer to arrive wins, which is a matter of timing; and work was"
    " done twice, or once too little elsewhere.",
    "Unwritten": "The host reads back whatever the bank held before.",
    "ShapeMismatch": "Bytes are reinterpreted in the format the operand is configured for: a bf16"
    " tile read as float32 is noise. The chip does not know what a page holds.",
    "NumericModeMismatch": "The chip computes what the plan says, with other roundings than the"
    " source and the options promise: results are less (or more) accurate than the bound.",
    "BudgetSpent": "No meaning on a chip. A program that ends in the simulator's budget only with"
    " difficulty is slow on a chip too; an endless one hangs it.",
    "ErratumWH38306": "On Wormhole, HiFi4 with 32-bit DST gives wrong results in rare"
    " cancellations. Acknowledged by the vendor; the simulator shows it only with errata on.",
})  # fmt: skip
"""Code to what happens on hardware."""
