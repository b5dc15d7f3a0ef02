"""Codes of errors: what compiler, golden and command line refuse, and what they accept."""

from __future__ import annotations

from typing import Final

COMPILER: Final = (
    ("CompileError", "A pass refused the kernel.", "Follow the message; it says what fits."),
    ("UnsupportedConstruct", "The source uses something the compiler does not translate.",
     "Use what the message names instead."),
    ("UnsupportedDtype", "A dtype that no data format of the device holds.",
     "Use float32, bfloat16, float16 or a listed integer type."),
    ("UnsupportedIndex", "An index that is not an affine function of block and loop indices.",
     "Index with sums of block indices, loop variables and constants."),
    ("UnsupportedSchedule", "A legacy schedule attribute this compiler does not know.",
     "Use row_major, column_major or block."),
    ("UnalignedBlock", "A block that begins or ends inside a tile, where nothing can move it so.",
     "Begin columns at multiples of 16; use extents that are multiples of 32, or that divide 32."),
    ("UninitialisedBuffer", "An on-chip buffer is read before anything was stored to it.",
     "Clear or fill it first."),
    ("DataDependent", "What the cores do next would depend on what they compute.",
     "Decide by indices, parameters, or elements of an int32 tensor that is only read."),
    ("NoOutput", "The kernel writes no tensor.", "Copy a result to a tensor parameter."),
    ("NoKernel", "There is nothing to compile: no T.Kernel, no PrimFunc, an empty module.",
     "Give a function with one T.Kernel block."),
    ("SeveralKernels", "One plan was asked for and there are several.", "Name one of them."),
    ("DuplicateName", "Two buffers or loops of one kernel have the same name.", "Rename one."),
    ("InvalidName", "A name that cannot be written in C++.", "Rename it."),
    ("DynamicShape", "A tensor's shape is not known at compile time.",
     "Give sizes as parameters of the factory."),
    ("DynamicGrid", "An extent of T.Kernel is not a constant.",
     "Give sizes as parameters of the factory."),
    ("OpenSize", "A size of a kernel was left open, or an unknown one was given.",
     "Give every open size by its name, and no other."),
    ("AssertionFailed", "An assert in the kernel does not hold for these parameters.",
     "Give parameters for which it holds."),
    ("InvalidArguments", "Arguments of a TileLang function or kernel that do not fit.",
     "Give what the message lists."),
    ("UnsupportedModule", "A part of TileLang that is not provided.",
     "Keep it out of the file, or out of what runs before the kernel is defined."),
    ("MissingLibrary", "A library the file uses is not installed.",
     "Install it, or keep it out of what the kernel needs."),
    ("SimulationFailed", "A kernel called on arrays broke a rule of the machine.",
     "Run it with tt-harness run, which shows every finding."),
    ("LayoutConflict", "Two demands on the layout of one buffer exclude each other.",
     "Drop one of them, or copy to a second buffer."),
    ("OptionConflict", "Options that exclude each other, or do nothing for this kernel.",
     "Leave one of them out."),
    ("InvalidOption", "An option or a value that does not exist.", "Use one the message lists."),
    ("InvalidPartition", "A work partition that does not cover the grid once.",
     "Give every block to one core."),
    ("UnpairedBuffer", "An on-chip buffer is not filled by one thread and used by one.",
     "Give the block program one producer and one consumer per buffer."),
    ("ShardMismatch", "Blocks and shards do not go together as the strategy or mode asks.",
     "Shard the output so that every block lies in one shard, or use another strategy."),
    ("NoMulticast", "Operands cannot be multicast on these cores or in this kernel.",
     "Choose a grid that divides the blocks, with strategy block, or leave --multicast out."),
    ("TooManyBlocks", "More blocks than the work partition can list.", "Use larger blocks."),
    ("OverlappingWrites", "Two blocks write the same tiles of an output.",
     "Give every block tiles of its own."),
    ("InPlaceOrder", "A tensor is written without waiting for what the block read of it.",
     "Write something computed from what was read, or another tensor."),
    ("InvalidSequence", "Kernels that cannot run one after another.",
     ("Give kernels of different names, each result a name and one layout of its own, and write"
      " before reading.")),
    ("NeedsFp32Dest", "A float32 accumulator with a 16-bit destination.",
     "Allow the 32-bit destination, or accumulate in bfloat16."),
    ("PassOrder", "A pass misses what an earlier pass writes.",
     "Run the pipeline, or the earlier passes in order."),
    ("NotPrintable", "A program that cannot be printed as C++.",
     "Recompile; hand-edited programs must stay within the op table."),
)  # fmt: skip
"""Refusals of language, passes and printer: (code, meaning, remedy)."""

GOLDEN: Final = (
    ("SourceError", "The source cannot be evaluated as it stands.",
     "Mend the source at the location."),
    ("SourceRace", "Two iterations of a parallel loop write one element of the source.",
     "Give every iteration elements of its own."),
    ("InvalidContract", "The numeric contract names an unknown fidelity, destination or op.",
     "Use the names the message lists."),
    ("InvalidInputs", "Input arrays that do not fit the kernel's parameters.",
     "Pass one array per input, by parameter name, in logical shape."),
    ("NoOracle", "The oracle asked for does not judge this kernel.",
     "Use an oracle the message names."),
    ("NoExactRange", "No inputs are known that leave nothing to round in this kernel.",
     "Use --oracle bound."),
)  # fmt: skip
"""Refusals of the reference: (code, meaning, remedy)."""

COMMAND: Final = (
    ("NotRun", "The backend asked for cannot run here, for the reason stated.",
     "Install what the reason names, or use --backend simulator."),
    ("HarnessError", "An error without a kind of its own.", "Follow the message."),
    ("Usage", "The command line itself is wrong.", "See tt-harness COMMAND --help."),
    ("InvalidParameter", "--param gives a name or a value the factory does not take.",
     "Use the signature the message shows."),
    ("InvalidInput", "Arrays, places or dumps that do not fit the plan.",
     "Follow the message; it says what is expected."),
    ("Unreadable", "A file is missing, too large, not JSON, or cannot be written.",
     "Check the path."),
    ("InvalidCase", "A saved case cannot be read or replayed.", "Save it anew."),
    ("Interrupted", "The command was interrupted.", "Run it again."),
    ("Internal", "A defect of tt-harness: status 3, with a traceback in the file named.",
     "Report it with that file and the command line."),
)  # fmt: skip
"""Refusals of the command line and of files: (code, meaning, remedy)."""


def remedy(code: str) -> str:
    """What to do about a refusal, as the end of a sentence."""
    for name, _, text in (*COMPILER, *GOLDEN, *COMMAND):
        if name == code:
            return text[0].lower() + text[1:].rstrip(".")
    return "follow the message"
