/* A decoder in the caller's memory gives what the other does, stays within it and allocates nothing: fixed STREAM...
 *
 * With -DCOUNTED, and linked so that malloc and its like go by here first, allocations are counted. */
#include "check.h"

static unsigned long allocations;

#ifdef COUNTED
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
int __real_posix_memalign(void **memory, size_t alignment, size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
int __wrap_posix_memalign(void **memory, size_t alignment, size_t size);
void __wrap_free(void *memory);

void *__wrap_malloc(size_t size)
{
    return allocations++, __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return allocations++, __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return allocations++, __real_realloc(memory, size);
}

int __wrap_posix_memalign(void **memory, size_t alignment, size_t size)
{
    return allocations++, __real_posix_memalign(memory, alignment, size);
}

void __wrap_free(void *memory)
{
    allocations++;
    __real_free(memory);
}
#endif

enum { GUARD = 64, FRAMES = 100 };

/* Decodes in memory that begins `odd` bytes into a block, into `pcm` for so many sample frames. */
static sparc_error decode(const unsigned char *stream, size_t length, size_t odd, float *pcm, size_t room, size_t *all)
{
    float buffer[8 * FRAMES];
    sparc_fixed *fixed = NULL;
    sparc_info info;
    size_t size = 0, n, frames, untouched = 0;
    unsigned char *block;
    unsigned long before;
    sparc_error error = sparc_fixed_size(stream, length, NULL, &size);
    *all = 0;
    if (error != SPARC_OK)
        return error;
    block = malloc(odd + size + GUARD);
    CHECK(block != NULL);
    memset(block, 0xA5, odd + size + GUARD);
    ANSWERS(sparc_fixed_init(block + odd, size - 1, stream, length, NULL, &fixed), SPARC_ERROR_SPACE);
    ANSWERS(sparc_fixed_init(block + odd, size, stream, length, NULL, &fixed), SPARC_OK);
    ANSWERS(sparc_fixed_info(fixed, &info), SPARC_OK);
    ANSWERS(sparc_fixed_pull_float(fixed, buffer, info.channels + 1, 1, &frames), SPARC_ERROR_ARGUMENT);
    CHECK(strcmp(sparc_fixed_message(fixed), sparc_last_message()) == 0);
    before = allocations;
    do {
        /* Capacities that fit nothing, in turns. */
        size_t capacity = 1 + (*all * 7) % FRAMES;
        error = sparc_fixed_pull_float(fixed, buffer, info.channels, capacity, &frames);
        if (error != SPARC_OK)
            break;
        CHECK(frames <= capacity && *all + frames <= room);
        if (*all + frames > room)
            break;
        memcpy(pcm + *all * info.channels, buffer, sizeof *pcm * frames * info.channels);
        *all += frames;
    } while (frames > 0);
    CHECK(allocations == before);
    if (error != SPARC_OK)
        ANSWERS(sparc_fixed_pull_float(fixed, buffer, info.channels, 1, &frames), error);
    sparc_fixed_end(fixed);
    for (n = 0; n < odd; n++)
        untouched += block[n] == 0xA5;
    for (n = 0; n < GUARD; n++)
        untouched += block[odd + size + n] == 0xA5;
    CHECK(untouched == odd + GUARD);
    free(block);
    return error;
}

/* Begun and left off in the midst. */
static void left_off(const unsigned char *stream, size_t length)
{
    sparc_fixed *fixed = NULL;
    sparc_info info;
    int16_t pcm[8];
    size_t size = 0, frames;
    void *memory;
    if (sparc_fixed_size(stream, length, NULL, &size) != SPARC_OK)
        return;
    memory = malloc(size);
    ANSWERS(sparc_fixed_init(memory, size, stream, length, NULL, &fixed), SPARC_OK);
    ANSWERS(sparc_fixed_info(fixed, &info), SPARC_OK);
    sparc_fixed_pull_i16(fixed, pcm, info.channels, 1, &frames);
    sparc_fixed_end(fixed);
    free(memory);
}

int main(int argc, char **argv)
{
    sparc_decoding options;
    unsigned long same = 0, refused = 0;
    int n;
    size_t odd;
    ANSWERS(sparc_decoding_init(&options, sizeof options), SPARC_OK);
    options.coded_rate = 1;
    for (n = 1; n < argc; n++) {
        unsigned long before = failures;
        size_t length, all = 0, room = 0;
        unsigned char *stream = file(argv[n], &length);
        sparc_damage damage = {0, 0, 0, 0};
        sparc_info info;
        float *whole = NULL, *pcm;
        sparc_error error = sparc_decode_float(stream, length, &options, &whole, &info, &damage);
        if (error == SPARC_OK)
            room = (size_t)info.samples;
        pcm = malloc(sizeof *pcm * 8 * (room + (1 << 18)));
        for (odd = 0; odd < 3; odd++) {
            sparc_error made = decode(stream, length, odd * 3, pcm, room + (1 << 18), &all);
            if (error != SPARC_OK || damage.places > 0 || damage.concealed > 0) {
                CHECK(made != SPARC_OK);
            } else {
                ANSWERS(made, SPARC_OK);
                CHECK(all == room && (all == 0 || memcmp(pcm, whole, sizeof *pcm * all * info.channels) == 0));
            }
            same += odd == 0 && made == SPARC_OK;
            refused += odd == 0 && made != SPARC_OK;
        }
        left_off(stream, length);
        if (failures > before)
            fprintf(stderr, "    with %s\n", argv[n]);
        sparc_free(whole);
        free(pcm);
        free(stream);
    }
#ifdef COUNTED
    CHECK(allocations > 0);
#endif
    printf("%lu streams the same, %lu refused\n", same, refused);
    return ended("fixed");
}
