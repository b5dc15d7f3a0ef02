// Stands in for sfpi.h of the sfpi compiler, which the ttnn wheel does not contain: vectors that
// take part in any expression and compute nothing. Written for this project; the constants and
// functions of sfpi_names.h are listed from the uses in the wheel's own headers.
#pragma once

#include <cstdint>
#include <utility>

#define sfpi_inline inline
#define sfpi_unreachable() __builtin_unreachable()
#define v_if(condition) { (void)(condition); {
#define v_elseif(condition) } { (void)(condition);
#define v_else } {
#define v_endif }}
#define v_and(condition) (void)(condition)
#define v_block { {
#define v_endblock }}

namespace sfpi {

// One type per kind, so that overloads stay apart; every kind converts from anything.
template <int Kind>
struct Vector {
    constexpr Vector() = default;
    constexpr Vector(const Vector&) = default;
    template <class... T>
    constexpr Vector(const T&...) {}
    constexpr Vector& operator=(const Vector&) = default;
    template <class T>
    constexpr const Vector& operator=(const T&) const { return *this; }
    template <int Other>
    constexpr operator Vector<Other>() const { return {}; }
    template <class T> constexpr Vector& operator+=(const T&) { return *this; }
    template <class T> constexpr Vector& operator-=(const T&) { return *this; }
    template <class T> constexpr Vector& operator*=(const T&) { return *this; }
    template <class T> constexpr Vector& operator&=(const T&) { return *this; }
    template <class T> constexpr Vector& operator|=(const T&) { return *this; }
    template <class T> constexpr Vector& operator^=(const T&) { return *this; }
    template <class T> constexpr Vector& operator<<=(const T&) { return *this; }
    template <class T> constexpr Vector& operator>>=(const T&) { return *this; }
    constexpr Vector operator++(int) const { return {}; }
    constexpr Vector operator--(int) const { return {}; }
    constexpr Vector& operator++() { return *this; }
    constexpr Vector operator-() const { return {}; }
    constexpr Vector operator~() const { return {}; }
    constexpr Vector operator!() const { return {}; }
    template <class T> constexpr Vector operator[](const T&) const { return {}; }
    template <auto... Modes, class... T> constexpr Vector mode(const T&...) const { return {}; }
    constexpr int get() const { return 0; }
};

#define SFPI_STUB_BINARY(op)                                                            \
    template <int A, int B>                                                             \
    constexpr Vector<A> operator op(const Vector<A>&, const Vector<B>&) { return {}; }  \
    template <int A, class T>                                                           \
    constexpr Vector<A> operator op(const Vector<A>&, const T&) { return {}; }          \
    template <class T, int A>                                                           \
    constexpr Vector<A> operator op(const T&, const Vector<A>&) { return {}; }
SFPI_STUB_BINARY(+)
SFPI_STUB_BINARY(-)
SFPI_STUB_BINARY(*)
SFPI_STUB_BINARY(/)
SFPI_STUB_BINARY(&)
SFPI_STUB_BINARY(|)
SFPI_STUB_BINARY(^)
SFPI_STUB_BINARY(<<)
SFPI_STUB_BINARY(>>)
SFPI_STUB_BINARY(<)
SFPI_STUB_BINARY(<=)
SFPI_STUB_BINARY(>)
SFPI_STUB_BINARY(>=)
SFPI_STUB_BINARY(==)
SFPI_STUB_BINARY(!=)
SFPI_STUB_BINARY(&&)
SFPI_STUB_BINARY(||)
#undef SFPI_STUB_BINARY

}  // namespace sfpi

#include "sfpi_names.h"
