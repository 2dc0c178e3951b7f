// A C interface to one Verilated board: the accelerator behind its serial link.
//
// Compiled as `verilated/shim.cpp` is, whose notes hold here too.

#include MODEL_HEADER
#include "verilated.h"
#include "verilated_fst_c.h"

#include <cstdint>
#include <memory>

namespace {

struct Board {
    VerilatedContext context;
    std::unique_ptr<VerilatedFstC> trace;
    std::unique_ptr<MODEL> model;
    uint64_t time = 0;

    ~Board() {
        model->final();
        if (trace) trace->close();
    }
};

}  // namespace

extern "C" {

// A board after power-on. A seed other than zero randomizes every register and memory that the
// design leaves open; `trace_path` may be null.
void* NAME(create)(uint32_t seed, const char* trace_path) {
    auto board = std::make_unique<Board>();
    board->context.randReset(seed == 0 ? 0 : 2);
    board->context.randSeed(static_cast<int>(seed & 0x7fffffff));
    board->context.traceEverOn(trace_path != nullptr);
    systole_draws() = 0;
    board->model = std::make_unique<MODEL>(&board->context);
    if (trace_path != nullptr) {
        board->trace = std::make_unique<VerilatedFstC>();
        board->model->trace(board->trace.get(), 99);
        board->trace->open(trace_path);
        if (!board->trace->isOpen()) return nullptr;
    }
    return board.release();
}

void NAME(destroy)(void* handle) { delete static_cast<Board*>(handle); }

// One cycle. Bit 0 of the result is the line to the host, bit 1 `active`.
uint8_t NAME(cycle)(void* handle, uint8_t reset, uint8_t rx) {
    auto* board = static_cast<Board*>(handle);
    MODEL* model = board->model.get();
    model->clock = 0;
    model->reset = reset;
    model->rx = rx;
    model->eval();
    if (board->trace) board->trace->dump(board->time);
    const uint8_t outputs = static_cast<uint8_t>(model->tx | model->active << 1);
    model->clock = 1;
    model->eval();
    if (board->trace) board->trace->dump(board->time + 5);
    board->time += 10;
    return outputs;
}

}  // extern "C"
