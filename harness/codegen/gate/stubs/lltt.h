// Stands in for lltt.h of the sfpi compiler, which the ttnn wheel does not contain: names and
// shapes only, enough to check the syntax of a kernel that includes it. Written for this project.
#pragma once

#include <cstdint>

namespace lltt {

enum ExecBool { NoExec, Exec };

template <ExecBool = NoExec, class... Words>
constexpr void record(const Words&...) {}

template <class... Words>
constexpr void replay(const Words&...) {}

template <class... Words>
constexpr uint32_t replay_insn(const Words&...) {
    return 0;
}

template <class... Words>
constexpr void insn(const Words&...) {}

}  // namespace lltt
