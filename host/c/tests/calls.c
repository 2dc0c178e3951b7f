/* Calls of the C interface, right ones and wrong ones; ends with 0 if each does what the header says.
 *
 *   calls DEVICE MODEL OTHER_MODEL    two models that take and give the same, but compute something else */

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "systole.h"

#define EXPECT(condition)                                                                            \
    do {                                                                                             \
        if (!(condition)) {                                                                          \
            fprintf(stderr, "line %d: %s is not so; last error: %s\n", __LINE__, #condition,         \
                    systole_last_error());                                                           \
            exit(1);                                                                                 \
        }                                                                                            \
    } while (0)

/* The call fails with this status, and the sentence says this. */
#define FAILS(call, wanted, text)                                                                    \
    do {                                                                                             \
        systole_status status = (call);                                                              \
        if (status != (wanted) || !strstr(systole_last_error(), (text))) {                           \
            fprintf(stderr, "line %d: %s gave %s: %s\n", __LINE__, #call,                            \
                    systole_status_name(status), systole_last_error());                              \
            exit(1);                                                                                 \
        }                                                                                            \
    } while (0)

enum { ROWS = 64 };

struct outcome {
    atomic_int calls;
    systole_status status;
    int has_timing;
    char message[200];
};

static void ended(void *context, systole_status status, const char *message, const systole_timing *timing) {
    struct outcome *outcome = context;
    outcome->status = status;
    outcome->has_timing = timing != NULL;
    snprintf(outcome->message, sizeof outcome->message, "%s", message);
    atomic_fetch_add(&outcome->calls, 1);
}

static void wait_for(struct outcome *outcome) {
    while (atomic_load(&outcome->calls) == 0) {
    }
}

static systole_model *model;
static systole_signature signature;
static char *rows;
static atomic_bool done;
static atomic_size_t answered;

/* Asks for answers until it is told to stop; each has to be one of the two versions'. */
static void *ask(void *answers) {
    char *const *golden = answers;
    size_t bytes = signature.output.row_bytes;
    char *output = malloc(bytes);
    for (size_t i = 0; !atomic_load(&done); i++) {
        size_t row = i % ROWS;
        systole_timing timing;
        systole_status status = systole_infer(model, rows + row * signature.input.row_bytes,
                                              signature.input.row_bytes, output, bytes, NULL, &timing);
        EXPECT(status == SYSTOLE_STATUS_OK);
        EXPECT(timing.version == 1 || timing.version == 2);
        EXPECT(!memcmp(output, golden[timing.version - 1] + row * bytes, bytes));
        atomic_fetch_add(&answered, 1);
    }
    free(output);
    return NULL;
}

static void check_opening(void) {
    systole_fleet *fleet = NULL;
    const char *wrong[] = {"gpu"}, *gone[] = {"vfio-user:/nowhere"}, *null[] = {NULL};
    const char *not_text[] = {"\xff\xfe"};
    FAILS(systole_fleet_open(wrong, 1, &fleet), SYSTOLE_STATUS_INVALID_ARGUMENT, "vfio-user:SOCKET");
    FAILS(systole_fleet_open(gone, 1, &fleet), SYSTOLE_STATUS_DEVICE, "/nowhere");
    FAILS(systole_fleet_open(null, 1, &fleet), SYSTOLE_STATUS_INVALID_ARGUMENT, "an address is NULL");
    FAILS(systole_fleet_open(not_text, 1, &fleet), SYSTOLE_STATUS_INVALID_ARGUMENT, "UTF-8");
    FAILS(systole_fleet_open(NULL, 1, &fleet), SYSTOLE_STATUS_INVALID_ARGUMENT, "addresses is NULL");
    FAILS(systole_fleet_open(NULL, 0, NULL), SYSTOLE_STATUS_INVALID_ARGUMENT, "fleet is NULL");
    EXPECT(fleet == NULL);
    EXPECT(systole_fleet_units(NULL) == 0);
}

static void check_loading(const systole_fleet *fleet, const char *path) {
    systole_model *none = NULL;
    systole_model_options options = systole_model_options_default();
    FAILS(systole_model_load(fleet, "/nowhere.onnx", NULL, &none), SYSTOLE_STATUS_FILE, "/nowhere.onnx");
    FAILS(systole_model_load(fleet, "/", NULL, &none), SYSTOLE_STATUS_FILE, "regular file");
    FAILS(systole_model_load(NULL, path, NULL, &none), SYSTOLE_STATUS_INVALID_ARGUMENT, "fleet is NULL");
    FAILS(systole_model_load(fleet, NULL, NULL, &none), SYSTOLE_STATUS_INVALID_ARGUMENT, "path is NULL");
    FAILS(systole_model_load(fleet, path, NULL, NULL), SYSTOLE_STATUS_INVALID_ARGUMENT, "model is NULL");
    const uint8_t bytes[] = {1, 2, 3};
    FAILS(systole_model_load_bytes(fleet, "x", bytes, sizeof bytes, NULL, &none),
          SYSTOLE_STATUS_UNSUPPORTED_MODEL, "");
    FAILS(systole_model_load_bytes(fleet, "x", NULL, 0, NULL, &none), SYSTOLE_STATUS_UNSUPPORTED_MODEL,
          "empty");
    FAILS(systole_model_load_bytes(fleet, "x", NULL, 1, NULL, &none), SYSTOLE_STATUS_INVALID_ARGUMENT,
          "bytes is NULL");
    FAILS(systole_model_load_bytes(fleet, "x", bytes, SIZE_MAX, NULL, &none),
          SYSTOLE_STATUS_INVALID_ARGUMENT, "no memory");
    options.batching.rows = 0;
    FAILS(systole_model_load(fleet, path, &options, &none), SYSTOLE_STATUS_INVALID_ARGUMENT, "rows");
    options = systole_model_options_default();
    options.version = 0;
    FAILS(systole_model_load(fleet, path, &options, &none), SYSTOLE_STATUS_INVALID_ARGUMENT, "from 1");
    options = systole_model_options_default();
    options.golden_input = "/nowhere.npy";
    FAILS(systole_model_load(fleet, path, &options, &none), SYSTOLE_STATUS_INVALID_ARGUMENT,
          "golden_output is NULL");
    options.golden_output = "/nowhere.npy";
    FAILS(systole_model_load(fleet, path, &options, &none), SYSTOLE_STATUS_FILE, "/nowhere.npy");
    EXPECT(none == NULL);
}

static void check_requests(void) {
    size_t in = signature.input.row_bytes, out = signature.output.row_bytes;
    char *output = calloc(ROWS, out);
    FAILS(systole_infer(NULL, rows, in, output, out, NULL, NULL), SYSTOLE_STATUS_INVALID_ARGUMENT,
          "model is NULL");
    FAILS(systole_infer(model, NULL, in, output, out, NULL, NULL), SYSTOLE_STATUS_INVALID_ARGUMENT,
          "input is NULL");
    FAILS(systole_infer(model, rows, in, NULL, out, NULL, NULL), SYSTOLE_STATUS_INVALID_ARGUMENT,
          "output is NULL");
    FAILS(systole_infer(model, rows, in, output, out - 1, NULL, NULL), SYSTOLE_STATUS_INVALID_ARGUMENT,
          "1 rows of it have");
    FAILS(systole_infer(model, rows, in + 1, output, out, NULL, NULL), SYSTOLE_STATUS_INVALID_ARGUMENT,
          "whole rows");
    FAILS(systole_infer(model, rows, 0, output, 0, NULL, NULL), SYSTOLE_STATUS_INVALID_ARGUMENT,
          "at least one");
    FAILS(systole_submit(model, rows, in, output, out, NULL, NULL, NULL, NULL),
          SYSTOLE_STATUS_INVALID_ARGUMENT, "callback is NULL");

    /* What is wrong with the rows is told by the callback, once, too. */
    struct outcome outcome = {0};
    EXPECT(systole_submit(model, rows, in + 1, output, out, NULL, ended, &outcome, NULL) == SYSTOLE_STATUS_OK);
    wait_for(&outcome);
    EXPECT(outcome.status == SYSTOLE_STATUS_INVALID_ARGUMENT && !outcome.has_timing);
    EXPECT(strstr(outcome.message, "whole rows"));

    /* Many at once; some are cancelled. Each ends once, in one way or the other. */
    enum { REQUESTS = 500 };
    static struct outcome outcomes[REQUESTS];
    static systole_request *requests[REQUESTS];
    char *outputs = calloc(REQUESTS, out);
    size_t cancelled = 0;
    for (size_t i = 0; i < REQUESTS; i++) {
        EXPECT(systole_submit(model, rows + i % ROWS * in, in, outputs + i * out, out, NULL, ended,
                              &outcomes[i], &requests[i]) == SYSTOLE_STATUS_OK);
        if (i % 3 == 0) {
            systole_request_cancel(requests[i]);
            systole_request_cancel(requests[i]);
        }
    }
    EXPECT(systole_infer(model, rows, ROWS * in, output, ROWS * out, NULL, NULL) == SYSTOLE_STATUS_OK);
    for (size_t i = 0; i < REQUESTS; i++) {
        wait_for(&outcomes[i]);
        systole_request_free(requests[i]);
        if (outcomes[i].status == SYSTOLE_STATUS_OK) {
            EXPECT(outcomes[i].has_timing && !outcomes[i].message[0]);
            EXPECT(!memcmp(outputs + i * out, output + i % ROWS * out, out));
        } else {
            EXPECT(outcomes[i].status == SYSTOLE_STATUS_CANCELLED && i % 3 == 0);
            cancelled++;
        }
    }
    for (size_t i = 0; i < REQUESTS; i++) {
        EXPECT(atomic_load(&outcomes[i].calls) == 1);
    }
    printf("%zu of %d requests were cancelled in time\n", cancelled, REQUESTS);
    systole_request_cancel(NULL);
    systole_request_free(NULL);
    free(outputs);
    free(output);
}

int main(int count, char **arguments) {
    EXPECT(count == 4);
    EXPECT(!strcmp(systole_status_name(SYSTOLE_STATUS_QUEUE_FULL), "QUEUE_FULL"));
    EXPECT(systole_version()[0]);
    check_opening();

    systole_fleet *fleet;
    const char *devices[] = {arguments[1]};
    EXPECT(systole_fleet_open(devices, 1, &fleet) == SYSTOLE_STATUS_OK);
    size_t units = systole_fleet_units(fleet);
    systole_unit unit;
    EXPECT(systole_fleet_unit(fleet, 0, &unit) == SYSTOLE_STATUS_OK);
    EXPECT(!strcmp(unit.name, arguments[1]) && !unit.is_lost && !unit.reason[0]);
    EXPECT(unit.is_device == (units == 2));
    FAILS(systole_fleet_unit(fleet, units, &unit), SYSTOLE_STATUS_INVALID_ARGUMENT, "no unit");
    check_loading(fleet, arguments[2]);

    EXPECT(systole_model_load(fleet, arguments[2], NULL, &model) == SYSTOLE_STATUS_OK);
    /* What serves keeps its devices. */
    systole_fleet_free(fleet);
    EXPECT(systole_model_signature(model, &signature) == SYSTOLE_STATUS_OK);
    EXPECT(signature.input.rank > 0 && signature.input.name[0]);
    size_t in = signature.input.row_bytes, out = signature.output.row_bytes;
    rows = malloc(ROWS * in);
    for (size_t i = 0; i < ROWS * in; i++) {
        /* Never the exponent of an infinity. */
        rows[i] = signature.input.datatype == SYSTOLE_DATATYPE_FLOAT32 && i % 4 == 3 ? 0x40 : (char)(i * 37 + i / 64);
    }
    check_requests();

    /* The two versions' answers, then swaps while others ask. */
    char *golden[2] = {malloc(ROWS * out), malloc(ROWS * out)};
    systole_model_options second = systole_model_options_default();
    second.version = 2;
    uint32_t version = 0;
    FAILS(systole_model_roll_back(model, &version), SYSTOLE_STATUS_NO_PREVIOUS, "no other version");
    EXPECT(systole_infer(model, rows, ROWS * in, golden[0], ROWS * out, NULL, NULL) == SYSTOLE_STATUS_OK);
    EXPECT(systole_model_replace(model, arguments[3], &second) == SYSTOLE_STATUS_OK);
    EXPECT(systole_infer(model, rows, ROWS * in, golden[1], ROWS * out, NULL, NULL) == SYSTOLE_STATUS_OK);
    EXPECT(memcmp(golden[0], golden[1], ROWS * out));
    FAILS(systole_model_replace(model, "/nowhere.onnx", &second), SYSTOLE_STATUS_FILE, "/nowhere.onnx");
    pthread_t threads[3];
    for (size_t i = 0; i < 3; i++) {
        EXPECT(!pthread_create(&threads[i], NULL, ask, golden));
    }
    for (size_t i = 0; i < 20; i++) {
        EXPECT(systole_model_roll_back(model, &version) == SYSTOLE_STATUS_OK);
        EXPECT(version == 1 + i % 2);
    }
    EXPECT(systole_model_roll_back(model, NULL) == SYSTOLE_STATUS_OK);
    atomic_store(&done, true);
    for (size_t i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    printf("%zu answers during 21 swaps\n", atomic_load(&answered));
    systole_counts counts;
    EXPECT(systole_model_counts(model, &counts) == SYSTOLE_STATUS_OK);
    EXPECT(counts.version == 1 && counts.failed == 0);

    /* A deadline that nobody can meet: refused or too late, never an answer. */
    systole_urgency urgency = {1, 1};
    char *output = malloc(ROWS * out);
    size_t late = 0;
    for (size_t i = 0; i < 100; i++) {
        systole_status status = systole_infer(model, rows, ROWS * in, output, ROWS * out, &urgency, NULL);
        EXPECT(status == SYSTOLE_STATUS_OK || status == SYSTOLE_STATUS_DEADLINE);
        late += status == SYSTOLE_STATUS_DEADLINE;
    }
    printf("%zu of 100 requests with a microsecond were refused\n", late);
    EXPECT(late > 0 || units == 1);

    free(output);
    free(rows);
    free(golden[0]);
    free(golden[1]);
    systole_model_free(model);
    systole_model_free(NULL);
    systole_fleet_free(NULL);
    return 0;
}
