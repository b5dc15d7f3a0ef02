"""Names of TileLang that are refused: why, and what to write instead."""

from __future__ import annotations

from typing import Final

_ATOMIC = ("cores have no atomic arithmetic on memory they share",
           "give every block a slice of its own and add the slices in a second kernel")  # fmt: skip
_THREAD = ("a tile machine has no GPU threads", "write tile ops and T.Parallel loops")
_PERSIST = ("the pipeline makes every kernel persistent by itself",
            "give T.Kernel the whole grid and index by the block variables")  # fmt: skip
_BITS = ("the vector unit's bit operations are not lowered",
         "compute with numbers and T.if_then_else")  # fmt: skip
_MANUAL = ("copies and waits are placed by the pipeline", "write T.copy inside T.Pipelined")
_IR = ("it builds TVM IR nodes by hand", "write Python operators and statements")
_BREAK = ("loop bounds are known before a loop starts", (
    'let the loop run on: `found = T.alloc_var("int32")`, 0 before the loop, `if found == 0 and'
    " x[i] == v:` around what is done, and `found = 1` in it"
))  # fmt: skip
_NUMBER = ("the vector unit has no such function", "")

REFUSED: Final[dict[str, tuple[str, str]]] = {
    "allocate": ("its scope is not said", "use T.alloc_shared or T.alloc_fragment"),
    "alloc_buffer": ("its scope is not said", "use T.alloc_shared or T.alloc_fragment"),
    "StridedTensor": ("tensors are stored in tiles, without strides", "use T.Tensor"),
    "cummax": ("running maxima are not lowered as one op", (
        "write `y[i, j] = T.if_then_else(j >= k, T.max(x[i, j], x[i, j - k]), x[i, j])` in"
        " T.Parallel for k = 1, 2, 4 and so on, from one of two blocks into the other by turns"
    )),
    "async_copy": _MANUAL,
    "PersistentTileScheduler": _PERSIST, "BaseTileScheduler": _PERSIST,
    "gemm_sp": ("the matrix unit has no structured sparsity", "use T.gemm on the full operand"),
    "gemm_blockscaled": ("the matrix unit has no block scales", "scale the result in T.Parallel"),
    "reinterpret": ("tiles cannot be reinterpreted in place",
                    "declare the block in the shape it is used in"),
    "loop_break": _BREAK,
    "break_loop": _BREAK,
    "continue_loop": ("iterations run to their end", "guard the statements with if"),
    "While": ("loop bounds are known before a loop starts", "use a for loop with a bound"),
    "device_assert": ("cores cannot report a failed assertion",
                      "check inputs outside the kernel; tt-harness checks the outputs"),
    "Assert": ("cores cannot report a failed assertion", "check inputs outside the kernel"),
    "import_source": ("it brings GPU source", "write the operation in the language"),
    "inline": ("it is not read", "use T.macro"),
    "meta_class": ("it is not read", "use T.macro with plain arguments"),
    "nearbyint": (_NUMBER[0], "use T.round"),
    "fast_rcp": ("its rounding is a GPU's", "write 1 / x"),
    "fmul": ("its rounding is a GPU's", "write a * b"),
    "random": ("cores have no generator of random numbers here", "pass random numbers as a tensor"),
    "truncdiv": ("indices are not negative here", "use // or T.floordiv"),
    "truncmod": ("indices are not negative here", "use % or T.floormod"),
    "get_thread_binding": (
        "a block is computed in tiles, not by threads that hold an element each",
        (
            "write `for t in T.Parallel(threads)` around each statement, with a"
            " T.alloc_fragment((threads,), dtype) for what a thread holds, and sequential loops"
            " around that"
        ),
    ),
    "get_block_binding": ("blocks are named where the grid is entered",
                          "use the names after `with T.Kernel(…) as`"),
    "get_block_bindings": ("blocks are named where the grid is entered",
                           "use the names after `with T.Kernel(…) as`"),
    "ws": ("a tile machine has no warps", "the pipeline splits reading, computing and writing"),
    "WarpSpecialize": ("a tile machine has no warps",
                       "the pipeline splits reading, computing and writing"),
    "sync_grid": ("cores do not meet inside a kernel", "split the kernel in two"),
    "tfloat32": ("tensors have no such dtype", "use float32; the matrix unit rounds as it must"),
}  # fmt: skip
"""Single names: (why, what instead)."""

_THREADS: Final = (
    r"(get_(thread|lane|warp|cluster|block)\w*|thread_\w+|env_thread|launch_thread|shfl_\w+"
    r"|warp_reduce_\w+|ballot\w*|activemask|(any|all)_sync|match_\w+_sync|syncthreads_\w+"
    r"|shuffle_elect|tvm_warp_\w+|KernelLaunchFrame|block_rank_in_cluster)"
)
_COPIES: Final = (
    r"(alloc_(barrier|cluster_barrier|tmem|descriptor|\w*desc)|barrier_\w+|mbarrier_\w+|tma_\w+"
    r"|named_barrier\w*|cluster_\w+|clc_\w+|copy_cluster|create_\w+|cp_async\w*|deallocate_tmem"
    r"|increase_descriptor_offset|initialize_\w+|compute_[gu]mma_\w+|wait_wgmma)"
)
_INSTRUCTIONS: Final = (
    r"(ptx_\w+|tcgen05_\w+|wgmma_\w+|warpgroup_\w+|mma_\w+|\w*IntrinEmitter\w*|TCGEN05\w+"
    r"|WGMMA\w+|dp4a|__ldg|ld[gs]\d+|st[gs]\d+|make_\w*layout|get_(swizzle|ldmatrix|mma)\w*"
    r"|validate_gemm_ab_dtypes|tvm_(bmma|mma|load_matrix|store_matrix|fill_fragment)\w*)"
)
_PACKED: Final = (
    r"((add|sub|mul|fma|max|min|abs)2|extract_lane|vector\w+|ramp|broadcast|Ramp|Broadcast|Shuffle"
    r"|get_active_lane_mask|vscale)"
)
_CALLS: Final = (
    r"(call_\w+|tvm_\w+|TVMBackend\w+|anylist_\w+|llvm_\w+|(start|end)_profile_intrinsic"
    r"|lookup_param|q_multiply\w*)"
)
_POINTERS: Final = (
    r"(Ptr|ptr|access_ptr|address_of|handle\w*|make_tensor\w*|tvm_access_ptr|isnullptr)"
)
_RANDOM: Final = ("cores have no generator of random numbers here",
                  "pass random numbers as a tensor")  # fmt: skip
_WARPS: Final = ("a tile machine has no warps",
                 "the pipeline splits reading, computing and writing")  # fmt: skip

FAMILIES: Final[tuple[tuple[str, str, str], ...]] = (
    (r"atomic_\w+", *_ATOMIC),
    (_THREADS, *_THREAD),
    (_COPIES, *_MANUAL),
    (_INSTRUCTIONS, "it is an instruction of a GPU", "write T.copy, T.gemm and T.Parallel"),
    (r"(ClusterKernel|CUDASourceCodeKernel)", "it launches GPU code", "use T.Kernel"),
    (r"(WS\w+|ws_op|annotate_ws_schedule|WarpSpecializeFrame)", *_WARPS),
    (r"(clz|popcount|__ffs|__fns|reduce_bit\w+)", *_BITS),
    (r"ieee_\w+", "its rounding is a GPU's", "write the operator or T.sqrt, T.rsqrt"),
    (r"(a?(sin|cos|tan)h?|atan2|copysign|fmod|hypot|ldexp|nextafter)",
     _NUMBER[0], "compute it from the functions of docs/language.md"),
    (_PACKED, "it works on a GPU's packed vectors", "write T.Parallel loops"),
    (r"rng_\w+", *_RANDOM),
    (r"(float[468]_\w+|int4|is_float4\w*|is_f8f6f4_family)", "tensors have no such dtype",
     "use float16, bfloat16 or float32"),
    (r"(b?float|u?int|tfloat)\d+\w*x\d+", "tiles are the vectors here", "use the plain dtype"),
    (_POINTERS, "kernels have no pointers", "index tensors and blocks"),
    (_CALLS, "it calls code outside the kernel", "write the operation itself"),
    (r".*", *_IR),
)  # fmt: skip
"""Families of names by pattern, the first that fits."""
