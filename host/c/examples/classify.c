/* Classifies rows of float or integer values with a model, all at once and one by one.
 *
 *   cc classify.c $(pkg-config --cflags --libs systole) -o classify
 *   classify MODEL ROWS [DEVICE...]
 *
 * ROWS holds rows of the model's input type, one after the other, without a header. A line of output for
 * each row: its number and its greatest output's. Devices are named as for `systole serve`. */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "systole.h"

/* Ends the program if a call failed. */
static void check(systole_status status, const char *what) {
    if (status != SYSTOLE_STATUS_OK) {
        fprintf(stderr, "classify: %s: %s (%s)\n", what, systole_last_error(), systole_status_name(status));
        exit(1);
    }
}

static void *read_all(const char *path, size_t *bytes) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END)) {
        perror(path);
        exit(1);
    }
    long length = ftell(file);
    rewind(file);
    void *data = malloc(length > 0 ? (size_t)length : 1);
    if (!data || length < 0 || fread(data, 1, (size_t)length, file) != (size_t)length) {
        perror(path);
        exit(1);
    }
    fclose(file);
    *bytes = (size_t)length;
    return data;
}

static float value(const systole_tensor_spec *spec, const void *data, size_t index) {
    switch (spec->datatype) {
    case SYSTOLE_DATATYPE_INT8:
        return ((const int8_t *)data)[index];
    case SYSTOLE_DATATYPE_UINT8:
        return ((const uint8_t *)data)[index];
    default:
        return ((const float *)data)[index];
    }
}

static size_t greatest(const systole_tensor_spec *spec, const void *row) {
    size_t best = 0;
    for (size_t i = 1; i < spec->elements; i++) {
        if (value(spec, row, i) > value(spec, row, best)) {
            best = i;
        }
    }
    return best;
}

/* Counts requests that have ended. */
struct tally {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    size_t open, failed;
};

static void ended(void *context, systole_status status, const char *message, const systole_timing *timing) {
    struct tally *tally = context;
    (void)timing;
    if (status != SYSTOLE_STATUS_OK) {
        fprintf(stderr, "classify: a row: %s\n", message);
    }
    pthread_mutex_lock(&tally->mutex);
    tally->open--;
    tally->failed += status != SYSTOLE_STATUS_OK;
    pthread_cond_signal(&tally->changed);
    pthread_mutex_unlock(&tally->mutex);
}

int main(int count, char **arguments) {
    if (count < 3) {
        fprintf(stderr, "usage: classify MODEL ROWS [DEVICE...]\n");
        return 2;
    }
    systole_fleet *fleet;
    const char *const *devices = (const char *const *)&arguments[3];
    check(systole_fleet_open(devices, (size_t)count - 3, &fleet), "cannot open the devices");
    systole_model_options options = systole_model_options_default();
    /* Every row may be a request of its own, and wait. */
    size_t bytes;
    char *rows = read_all(arguments[2], &bytes);
    options.batching.queue = bytes + 1;
    systole_model *model;
    check(systole_model_load(fleet, arguments[1], &options, &model), "cannot load the model");

    systole_signature signature;
    check(systole_model_signature(model, &signature), "cannot ask for the signature");
    size_t in = signature.input.row_bytes, out = signature.output.row_bytes, total = bytes / in;
    char *together = malloc(total * out + 1), *single = malloc(total * out + 1);
    if (!together || !single) {
        perror("classify");
        return 1;
    }

    /* All at once, and wait. */
    systole_timing timing;
    check(systole_infer(model, rows, bytes, together, total * out, NULL, &timing), "cannot compute");
    fprintf(stderr, "classify: version %u took %llu ns for %zu rows\n", timing.version,
            (unsigned long long)timing.computed_ns, total);

    /* One by one, without waiting in between: batches form by themselves. */
    struct tally tally = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, total, 0};
    for (size_t i = 0; i < total; i++) {
        check(systole_submit(model, rows + i * in, in, single + i * out, out, NULL, ended, &tally, NULL),
              "cannot submit");
    }
    pthread_mutex_lock(&tally.mutex);
    while (tally.open > 0) {
        pthread_cond_wait(&tally.changed, &tally.mutex);
    }
    pthread_mutex_unlock(&tally.mutex);
    if (tally.failed > 0 || memcmp(together, single, total * out)) {
        fprintf(stderr, "classify: %zu rows failed, or have other answers alone\n", tally.failed);
        return 1;
    }
    for (size_t i = 0; i < total; i++) {
        printf("%zu %zu\n", i, greatest(&signature.output, together + i * out));
    }
    systole_model_free(model);
    systole_fleet_free(fleet);
    free(rows);
    free(together);
    free(single);
    return 0;
}
