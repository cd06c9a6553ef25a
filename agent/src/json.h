/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_JSON_H
#define NFVCAP_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* A streaming JSON writer. Inside an array the key is NULL, inside an object it is not. */
struct json {
    FILE *out;
    unsigned depth;
    bool first; /* nothing has been written at this depth yet */
};

void json_start(struct json *j, FILE *out);        /* opens the outermost object */
void json_finish(struct json *j);                  /* closes it and ends the line */
void json_object(struct json *j, const char *key); /* { */
void json_object_end(struct json *j);              /* } */
void json_array(struct json *j, const char *key);  /* [ */
void json_array_end(struct json *j);               /* ] */
void json_u64(struct json *j, const char *key, uint64_t value);
void json_i64(struct json *j, const char *key, int64_t value);
void json_double(struct json *j, const char *key, double value); /* NaN and infinity become null */
void json_bool(struct json *j, const char *key, bool value);
void json_string(struct json *j, const char *key, const char *value); /* NULL becomes null */
void json_null(struct json *j, const char *key);

#endif
