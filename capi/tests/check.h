/* What the tests share: a check that says where it failed, files, and sound to encode. */
#ifndef CHECK_H
#define CHECK_H

#include <sparc.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned long checks, failures;

/* Counts; says where and why if `holds` is not so. */
#define CHECK(holds)                                                                                                   \
    do {                                                                                                               \
        checks++;                                                                                                      \
        if (!(holds)) {                                                                                                \
            failures++;                                                                                                \
            fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #holds, sparc_last_message());                      \
        }                                                                                                              \
    } while (0)

/* The same of an error number. */
#define ANSWERS(call, expected)                                                                                        \
    do {                                                                                                               \
        sparc_error answer_ = (call);                                                                                  \
        checks++;                                                                                                      \
        if (answer_ != (expected)) {                                                                                   \
            failures++;                                                                                                \
            fprintf(stderr, "%s:%d: %s answers %d, %s\n", __FILE__, __LINE__, #call, (int)answer_, sparc_last_message()); \
        }                                                                                                              \
    } while (0)

static inline int ended(const char *name)
{
    printf("%s: %lu checks, %lu failed\n", name, checks, failures);
    return failures == 0 ? 0 : 1;
}

/* A file's bytes in memory of exactly their size, so that reading past them is seen. */
static inline unsigned char *file(const char *path, size_t *length)
{
    FILE *in = fopen(path, "rb");
    unsigned char *bytes;
    long size;
    if (in == NULL || fseek(in, 0, SEEK_END) != 0 || (size = ftell(in)) < 0) {
        perror(path);
        exit(2);
    }
    rewind(in);
    bytes = malloc(size > 0 ? (size_t)size : 1);
    if (bytes == NULL || fread(bytes, 1, (size_t)size, in) != (size_t)size)
        exit(2);
    fclose(in);
    *length = (size_t)size;
    return bytes;
}

/* Something like a voice: a saw that is now louder and now softer, and some noise. Interleaved, 16 bits. */
static inline int16_t *sound(size_t frames, uint32_t channels)
{
    int16_t *pcm = malloc(sizeof *pcm * frames * channels);
    uint32_t noise = 1;
    size_t n;
    uint32_t c;
    if (pcm == NULL)
        exit(2);
    for (n = 0; n < frames; n++) {
        int loud = (int)(n % 8000 < 4000 ? n % 4000 : 4000 - n % 4000);
        for (c = 0; c < channels; c++) {
            int saw = (int)(n * (150 + 40 * c) % 16000) - 8000;
            noise = noise * 1664525u + 1013904223u;
            pcm[n * channels + c] = (int16_t)(saw * loud / 4000 + (int)(noise >> 24) - 128);
        }
    }
    return pcm;
}

#endif
