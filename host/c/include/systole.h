/* Systole's C interface: models served on devices and the CPU.
 *
 * Every call that can fail returns a status and leaves a sentence for systole_last_error. Handles are
 * opaque, and may be used by any thread; free them when no thread uses them any more. What a call is
 * given by pointer it needs until it returns; systole_submit needs input and output until its callback
 * is called. examples/classify.c shows how it all goes together.
 *
 * Made by cbindgen from the Rust crate systole-c; don't edit. */

#ifndef SYSTOLE_H
#define SYSTOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Bytes for a name or a reason, the zero at its end included; longer ones are cut.
#define SYSTOLE_TEXT_BYTES 256

// Kind of a failure. Numbers and names never change their meaning; new ones may come.
enum systole_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // No failure.
  SYSTOLE_STATUS_OK = 0,
  // An argument can't be; the same call will never succeed.
  SYSTOLE_STATUS_INVALID_ARGUMENT = 1,
  // A file is not there, or can't be read.
  SYSTOLE_STATUS_FILE = 2,
  // The file is no model that can be used.
  SYSTOLE_STATUS_UNSUPPORTED_MODEL = 3,
  // A device can't be opened or used.
  SYSTOLE_STATUS_DEVICE = 4,
  // Too many requests wait; try again later.
  SYSTOLE_STATUS_QUEUE_FULL = 5,
  // The deadline has passed, or can't be met.
  SYSTOLE_STATUS_DEADLINE = 6,
  // The caller has withdrawn the request.
  SYSTOLE_STATUS_CANCELLED = 7,
  // The model is not served any more.
  SYSTOLE_STATUS_STOPPED = 8,
  // A new version was judged, and is not served; the old one goes on.
  SYSTOLE_STATUS_NOT_ACCEPTED = 9,
  // There is no version to go back to.
  SYSTOLE_STATUS_NO_PREVIOUS = 10,
  // A defect of this library.
  SYSTOLE_STATUS_INTERNAL = 11,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum systole_status systole_status;
#else
typedef int32_t systole_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Type of the values that a model takes or gives.
enum systole_datatype
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  // Signed bytes.
  SYSTOLE_DATATYPE_INT8 = 0,
  // Unsigned bytes.
  SYSTOLE_DATATYPE_UINT8 = 1,
  // 32-bit floats.
  SYSTOLE_DATATYPE_FLOAT32 = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum systole_datatype systole_datatype;
#else
typedef int32_t systole_datatype;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Devices, and the CPU of this machine, which computes the same bytes.
typedef struct systole_fleet systole_fleet;

// A model that is served.
typedef struct systole_model systole_model;

// A request that was submitted.
typedef struct systole_request systole_request;

// What a device or the CPU does.
typedef struct systole_unit {
  // Its address, or "cpu".
  char name[SYSTOLE_TEXT_BYTES];
  // Whether it is a device.
  bool is_device;
  // Whether it has failed for good. Others compute what it would have.
  bool is_lost;
  // Why it is lost; empty if it isn't.
  char reason[SYSTOLE_TEXT_BYTES];
  // Batches that it has now.
  size_t batches;
  // Nanoseconds in which it had at least one batch.
  uint64_t busy_ns;
  // How often it has failed and was brought back.
  uint64_t recoveries;
} systole_unit;

// How soon an answer is wanted.
typedef struct systole_urgency {
  // Requests with a lower number go first; those without this are of 128.
  uint8_t priority;
  // Microseconds after which the answer is of no use; 0 for none.
  uint64_t timeout_us;
} systole_urgency;

// Where the time of a request went.
typedef struct systole_timing {
  // Nanoseconds from its arrival to the start of its batch.
  uint64_t queued_ns;
  // Nanoseconds from the start of its batch to its end.
  uint64_t computed_ns;
  // Rows that were computed together, those of other requests included.
  size_t batch;
  // Version of the model that computed it.
  uint32_t version;
} systole_timing;

// Is told what became of a request, exactly once, whatever happens: with `SYSTOLE_STATUS_OK` when the
// output is written, else with the reason. Called by the thread that submits or by one of Systole's; it
// must not block. `message` and `timing` are valid during the call; `message` is empty and `timing` not
// `NULL` if it went well.
typedef void (*systole_callback)(void *context,
                                 systole_status status,
                                 const char *message,
                                 const struct systole_timing *timing);

// How requests become batches.
typedef struct systole_batching {
  // Rows of a batch, at most.
  size_t rows;
  // Microseconds that a request may wait for others while a processor is free.
  uint64_t wait_us;
  // Requests that may wait.
  size_t queue;
} systole_batching;

// How a version comes into service.
typedef struct systole_model_options {
  // Its number, from 1, which answers are stamped with.
  uint32_t version;
  // `.npy` file of input rows whose answers are known, or `NULL`.
  const char *golden_input;
  // `.npy` file of these answers, or `NULL`. A version that gives others is not served.
  const char *golden_output;
  // Steps of the output's quantization by which answers may be off.
  uint8_t golden_steps;
  // How requests become batches. A version that replaces another keeps that one's.
  struct systole_batching batching;
} systole_model_options;

// An input or output. Its pointers are valid as long as the model's handle.
typedef struct systole_tensor_spec {
  // Name in the model file.
  const char *name;
  // Type of the values.
  systole_datatype datatype;
  // Sizes of a row, `rank` of them.
  const size_t *row;
  // Number of sizes.
  size_t rank;
  // Values of a row.
  size_t elements;
  // Bytes of a row.
  size_t row_bytes;
  // Real value of a step of the integers.
  double scale;
  // Integer that stands for zero.
  int32_t zero_point;
} systole_tensor_spec;

// What a model takes and gives.
typedef struct systole_signature {
  // Its one input.
  struct systole_tensor_spec input;
  // Its one output.
  struct systole_tensor_spec output;
} systole_signature;

// What the version that is served now has done so far.
typedef struct systole_counts {
  // Its number.
  uint32_t version;
  // Requests that were answered.
  uint64_t answered;
  // Requests that were refused or failed.
  uint64_t failed;
  // Rows of answered requests.
  uint64_t rows;
  // Batches that were computed.
  uint64_t batches;
  // Requests that went to another processor, because one had failed.
  uint64_t failovers;
  // Requests that wait now.
  size_t waiting;
  // Nanoseconds that answered requests have waited, in all.
  uint64_t queued_ns;
  // Nanoseconds that answered requests were computed, in all.
  uint64_t computed_ns;
} systole_counts;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Opens devices by their addresses: "cpu", "vfio:DDDD:BB:DD.F", "vfio-user:SOCKET" or "serial:PORT".
// With `count` 0 it is the CPU alone.
//
// Requires: `addresses` points to `count` strings; `fleet` to memory for a pointer.
systole_status systole_fleet_open(const char *const *addresses, size_t count, struct systole_fleet **fleet);

// Gives a handle back; its devices close with the last model on them. `NULL` is fine.
//
// Requires: `fleet` is a handle that is not used any more.
void systole_fleet_free(struct systole_fleet *fleet);

// The number of devices, and one for the CPU; 0 if `fleet` is `NULL`.
//
// Requires: `fleet` is a handle.
size_t systole_fleet_units(const struct systole_fleet *fleet);

// What one of them does: devices in the order of their addresses, then the CPU.
//
// Requires: `fleet` is a handle; `unit` points to memory for one.
systole_status systole_fleet_unit(const struct systole_fleet *fleet, size_t index, struct systole_unit *unit);

// Has rows computed, and waits for that. Input and output are whole rows of the model's own types, one
// after the other. `urgency` and `timing` may be `NULL`.
//
// Requires: `model` is a handle; `input` and `output` point to as many bytes as said, which don't overlap;
// `urgency` and `timing` are `NULL` or point to one.
systole_status systole_infer(const struct systole_model *model,
                             const void *input,
                             size_t input_bytes,
                             void *output,
                             size_t output_bytes,
                             const struct systole_urgency *urgency,
                             struct systole_timing *timing);

// As `systole_infer`, but returns at once, and calls `callback` with `context` when the request has ended.
// Input and output belong to the request until then. If this call itself fails, nothing is submitted
// and `callback` is not called. `request`, if it is not `NULL`, gets a handle for cancelling.
//
// Requires: As `systole_infer`, until `callback` is called; `callback` may be called by any thread; `request` is
// `NULL` or points to memory for a pointer.
systole_status systole_submit(const struct systole_model *model,
                              const void *input,
                              size_t input_bytes,
                              void *output,
                              size_t output_bytes,
                              const struct systole_urgency *urgency,
                              systole_callback callback,
                              void *context,
                              struct systole_request **request);

// Withdraws a request, if it has not been answered: its callback is called with
// `SYSTOLE_STATUS_CANCELLED` as soon as nothing looks at its input any more. The handle is still to be
// freed. `NULL` is fine.
//
// Requires: `request` is a handle.
void systole_request_cancel(const struct systole_request *request);

// Gives a handle back; the request goes on. `NULL` is fine.
//
// Requires: `request` is a handle that is not used any more.
void systole_request_free(struct systole_request *request);

// Options of a version without golden files, with batches as they form by themselves.
struct systole_model_options systole_model_options_default(void);

// Reads a quantized .tflite or .onnx file, loads the model wherever it fits, warms it up, and serves it.
// `options` may be `NULL`.
//
// Requires: `fleet` is a handle, `path` a string, `options` `NULL` or points to options, and `model` to memory for
// a pointer.
systole_status systole_model_load(const struct systole_fleet *fleet,
                                  const char *path,
                                  const struct systole_model_options *options,
                                  struct systole_model **model);

// As `systole_model_load`, with the contents of a file in memory; `name` is for logs.
//
// Requires: As `systole_model_load`; `name` is a string, and `bytes` points to `count` of them.
systole_status systole_model_load_bytes(const struct systole_fleet *fleet,
                                        const char *name,
                                        const uint8_t *bytes,
                                        size_t count,
                                        const struct systole_model_options *options,
                                        struct systole_model **model);

// Serves another file from now on. It is loaded and warmed beside the old version, which serves
// meanwhile, and still does if this fails; no request notices. It has to take and give the same.
//
// Requires: `model` is a handle, `path` a string, `options` `NULL` or points to options.
systole_status systole_model_replace(const struct systole_model *model,
                                     const char *path,
                                     const struct systole_model_options *options);

// As `systole_model_replace`, with the contents of a file in memory; `name` is for logs.
//
// Requires: As `systole_model_replace`; `name` is a string, and `bytes` points to `count` of them.
systole_status systole_model_replace_bytes(const struct systole_model *model,
                                           const char *name,
                                           const uint8_t *bytes,
                                           size_t count,
                                           const struct systole_model_options *options);

// Serves the version again that was served before this one; `version`, if it is not `NULL`, gets its
// number. A second call undoes the first.
//
// Requires: `model` is a handle, `version` `NULL` or points to memory for a number.
systole_status systole_model_roll_back(const struct systole_model *model, uint32_t *version);

// What the model takes and gives, in every version. Pointers in it are valid until the handle is freed.
//
// Requires: `model` is a handle, `signature` points to memory for one.
systole_status systole_model_signature(const struct systole_model *model,
                                       struct systole_signature *signature);

// What the version that is served now has done so far.
//
// Requires: `model` is a handle, `counts` points to memory for them.
systole_status systole_model_counts(const struct systole_model *model, struct systole_counts *counts);

// Gives a handle back. What was submitted is still computed. `NULL` is fine.
//
// Requires: `model` is a handle that is not used any more.
void systole_model_free(struct systole_model *model);

// What went wrong with the last call of this thread that failed, for people. Never `NULL`; valid until
// the next call of this thread that fails.
const char *systole_last_error(void);

// The name of a status, such as "QUEUE_FULL"; "UNKNOWN" for a number that is none. Never `NULL`.
const char *systole_status_name(int32_t status);

// The version of this library, such as "0.1.0".
const char *systole_version(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SYSTOLE_H */
