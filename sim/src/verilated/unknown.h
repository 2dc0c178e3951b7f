// Included before Verilated sources: gives every word of a memory an unknown value of its own.
//
// Verilator draws what the design leaves open from the seed, the scope and a number in the source.
// The words of a memory share all three, so a memory would come up with the same value everywhere,
// and whoever reads the wrong word of it would not be noticed. Here each draw also counts.

#pragma once

#include "verilated.h"

#include <cstdint>

// Draws since the device under construction was begun.
inline uint64_t& systole_draws() {
    static thread_local uint64_t draws = 0;
    return draws;
}

inline uint64_t systole_draw() { return ++systole_draws() * 0x9e3779b97f4a7c15ULL; }

#define VL_SCOPED_RAND_RESET_I(bits, scope, salt) \
    VL_SCOPED_RAND_RESET_I(bits, scope, (salt) ^ systole_draw())
#define VL_SCOPED_RAND_RESET_Q(bits, scope, salt) \
    VL_SCOPED_RAND_RESET_Q(bits, scope, (salt) ^ systole_draw())
#define VL_SCOPED_RAND_RESET_W(bits, words, scope, salt) \
    VL_SCOPED_RAND_RESET_W(bits, words, scope, (salt) ^ systole_draw())
