// A C interface to one Verilated accelerator, so that Rust can drive it cycle by cycle.
//
// Compiled once for each configuration with
//   -DMODEL=Vsystole_small -DMODEL_HEADER="Vsystole_small.h" -DNAME(f)=systole_small_##f
//
// One cycle: inputs change while the clock is low, outputs are read, then the clock rises.
// Inputs therefore never change with the clock's edge. Netlists have a clock that is twice as fast
// and rises with it, too (-DDOUBLE_CLOCK); plain definitions of primitives don't look at it.

#include MODEL_HEADER
#include "verilated.h"
#if VM_TRACE
#include "verilated_fst_c.h"
#endif

#include <cstdint>
#include <memory>

extern "C" {

// Keep in step with `Inputs` and `Outputs` in ports.rs.
struct Inputs {
    uint64_t m_r_data;
    uint32_t s_w_data;
    uint16_t s_aw_address;
    uint16_t s_ar_address;
    uint8_t reset;
    uint8_t s_aw_valid;
    uint8_t s_w_valid;
    uint8_t s_b_ready;
    uint8_t s_ar_valid;
    uint8_t s_r_ready;
    uint8_t m_ar_ready;
    uint8_t m_r_valid;
    uint8_t m_r_response;
    uint8_t m_r_last;
    uint8_t m_aw_ready;
    uint8_t m_w_ready;
    uint8_t m_b_valid;
    uint8_t m_b_response;
    uint8_t interrupt_ready;
};

struct Outputs {
    uint64_t m_ar_address;
    uint64_t m_aw_address;
    uint64_t m_w_data;
    uint32_t s_r_data;
    uint16_t interrupt_vector;
    uint8_t s_aw_ready;
    uint8_t s_w_ready;
    uint8_t s_b_valid;
    uint8_t s_ar_ready;
    uint8_t s_r_valid;
    uint8_t m_ar_valid;
    uint8_t m_ar_length;
    uint8_t m_aw_valid;
    uint8_t m_aw_length;
    uint8_t m_w_valid;
    uint8_t m_w_strobe;
    uint8_t m_w_last;
    uint8_t interrupt_valid;
    uint8_t active;
    uint8_t m_r_ready;
    uint8_t stopped;
};

}  // extern "C"

namespace {

struct Device {
    VerilatedContext context;
#if VM_TRACE
    std::unique_ptr<VerilatedFstC> trace;
#endif
    std::unique_ptr<MODEL> model;
    uint64_t time = 0;

    ~Device() {
        model->final();
#if VM_TRACE
        if (trace) trace->close();
#endif
    }

    void dump(uint64_t at) {
#if VM_TRACE
        if (trace) trace->dump(at);
#endif
    }
};

}  // namespace

extern "C" {

// A device after power-on. A seed other than zero randomizes every register and memory that the
// design leaves open; `trace_path` may be null.
void* NAME(create)(uint32_t seed, const char* trace_path) {
    auto device = std::make_unique<Device>();
    device->context.randReset(seed == 0 ? 0 : 2);
    device->context.randSeed(static_cast<int>(seed & 0x7fffffff));
#if VM_TRACE
    device->context.traceEverOn(trace_path != nullptr);
#endif
    systole_draws() = 0;
    device->model = std::make_unique<MODEL>(&device->context);
    if (trace_path != nullptr) {
#if VM_TRACE
        device->trace = std::make_unique<VerilatedFstC>();
        device->model->trace(device->trace.get(), 99);
        device->trace->open(trace_path);
        if (!device->trace->isOpen()) return nullptr;
#else
        return nullptr;
#endif
    }
    return device.release();
}

void NAME(destroy)(void* handle) { delete static_cast<Device*>(handle); }

// Writes what has been traced so far to its file.
void NAME(flush)(void* handle) {
#if VM_TRACE
    auto* device = static_cast<Device*>(handle);
    if (device->trace) device->trace->flush();
#endif
}

void NAME(cycle)(void* handle, const Inputs* in, Outputs* out) {
    auto* device = static_cast<Device*>(handle);
    MODEL* model = device->model.get();
    model->clock = 0;
    model->reset = in->reset;
    model->s_aw_valid = in->s_aw_valid;
    model->s_aw_address = in->s_aw_address;
    model->s_w_valid = in->s_w_valid;
    model->s_w_data = in->s_w_data;
    model->s_w_strobe = 0xf;
    model->s_b_ready = in->s_b_ready;
    model->s_ar_valid = in->s_ar_valid;
    model->s_ar_address = in->s_ar_address;
    model->s_r_ready = in->s_r_ready;
    model->m_ar_ready = in->m_ar_ready;
    model->m_r_valid = in->m_r_valid;
    model->m_r_data = in->m_r_data;
    model->m_r_response = in->m_r_response;
    model->m_r_last = in->m_r_last;
    model->m_aw_ready = in->m_aw_ready;
    model->m_w_ready = in->m_w_ready;
    model->m_b_valid = in->m_b_valid;
    model->m_b_response = in->m_b_response;
    model->interrupt_ready = in->interrupt_ready;
#ifdef DOUBLE_CLOCK
    model->double_clock = 1;
    model->eval();
    model->double_clock = 0;
#endif
    model->eval();
    device->dump(device->time);

    out->m_ar_address = model->m_ar_address;
    out->m_aw_address = model->m_aw_address;
    out->m_w_data = model->m_w_data;
    out->s_r_data = model->s_r_data;
    out->interrupt_vector = model->interrupt_vector;
    out->s_aw_ready = model->s_aw_ready;
    out->s_w_ready = model->s_w_ready;
    out->s_b_valid = model->s_b_valid;
    out->s_ar_ready = model->s_ar_ready;
    out->s_r_valid = model->s_r_valid;
    out->m_ar_valid = model->m_ar_valid;
    out->m_ar_length = model->m_ar_length;
    out->m_aw_valid = model->m_aw_valid;
    out->m_aw_length = model->m_aw_length;
    out->m_w_valid = model->m_w_valid;
    out->m_w_strobe = model->m_w_strobe;
    out->m_w_last = model->m_w_last;
    out->interrupt_valid = model->interrupt_valid;
    out->active = model->active;
    out->m_r_ready = model->m_r_ready;
    out->stopped = device->context.gotFinish();

    model->clock = 1;
#ifdef DOUBLE_CLOCK
    model->double_clock = 1;
    model->eval();
    model->double_clock = 0;
#endif
    model->eval();
    // Half a clock period in units of a nanosecond each: the waveform counts 10 ns a cycle.
    device->dump(device->time + 5);
    device->time += 10;
}

}  // extern "C"
