/* Just enough of WAV files for the examples: 16-bit PCM, one field after the other. */
#ifndef WAV_H
#define WAV_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static inline void wav_put(unsigned char **at, uint32_t value, int bytes)
{
    while (bytes-- > 0) {
        *(*at)++ = (unsigned char)(value & 255);
        value >>= 8;
    }
}

static inline uint32_t wav_get(const unsigned char *at, int bytes)
{
    uint32_t value = 0;
    while (bytes-- > 0)
        value = value << 8 | at[bytes];
    return value;
}

/* Writes what comes before `samples` samples per channel. More than two channels take the extensible form. 0 if all was written. */
static inline int wav_write_header(FILE *file, uint32_t rate, uint32_t channels, uint64_t samples)
{
    static const unsigned char guid[14] = {0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71};
    unsigned char head[68], *at = head;
    uint32_t block = 2 * channels, extensible = channels > 2, rest = extensible ? 60 : 36;
    uint64_t size = samples * block;
    if (size > UINT32_MAX - 1024)
        return -1;
    memcpy(at, "RIFF", 4), at += 4;
    wav_put(&at, (uint32_t)size + rest, 4);
    memcpy(at, "WAVEfmt ", 8), at += 8;
    wav_put(&at, rest - 20, 4);
    wav_put(&at, extensible ? 0xFFFE : 1, 2);
    wav_put(&at, channels, 2);
    wav_put(&at, rate, 4);
    wav_put(&at, rate * block, 4);
    wav_put(&at, block, 2);
    wav_put(&at, 16, 2);
    if (extensible) {
        wav_put(&at, 22, 2);
        wav_put(&at, 16, 2);
        wav_put(&at, (1u << channels) - 1, 4);
        wav_put(&at, 1, 2);
        memcpy(at, guid, 14), at += 14;
    }
    memcpy(at, "data", 4), at += 4;
    wav_put(&at, (uint32_t)size, 4);
    return fwrite(head, 1, (size_t)(at - head), file) == (size_t)(at - head) ? 0 : -1;
}

/* Writes samples, least significant byte first. 0 if all were written. */
static inline int wav_write(FILE *file, const int16_t *pcm, size_t count)
{
    unsigned char bytes[1024], *at = bytes;
    for (size_t n = 0; n < count; n++) {
        wav_put(&at, (uint16_t)pcm[n], 2);
        if (at == bytes + sizeof bytes || n + 1 == count) {
            if (fwrite(bytes, 1, (size_t)(at - bytes), file) != (size_t)(at - bytes))
                return -1;
            at = bytes;
        }
    }
    return 0;
}

/* Reads up to the first sample of a file of 16-bit PCM; `bytes` are those of all samples. 0 if it is one. */
static inline int wav_read_header(FILE *file, uint32_t *rate, uint32_t *channels, uint32_t *bytes)
{
    unsigned char head[12], format[16];
    int known = 0;
    if (fread(head, 1, 12, file) != 12 || memcmp(head, "RIFF", 4) || memcmp(head + 8, "WAVE", 4))
        return -1;
    while (fread(head, 1, 8, file) == 8) {
        uint32_t length = wav_get(head + 4, 4), skip = length + length % 2;
        if (!memcmp(head, "data", 4)) {
            *bytes = length;
            return known ? 0 : -1;
        }
        if (!memcmp(head, "fmt ", 4) && length >= 16) {
            if (fread(format, 1, 16, file) != 16 || wav_get(format + 14, 2) != 16)
                return -1;
            *channels = wav_get(format + 2, 2);
            *rate = wav_get(format + 4, 4);
            known = (wav_get(format, 2) == 1 || wav_get(format, 2) == 0xFFFE) && *channels > 0;
            skip -= 16;
        }
        while (skip-- > 0)
            if (fgetc(file) == EOF)
                return -1;
    }
    return -1;
}

/* Reads up to `count` samples; says how many. */
static inline size_t wav_read(FILE *file, int16_t *pcm, size_t count)
{
    unsigned char bytes[2];
    size_t n = 0;
    while (n < count && fread(bytes, 1, 2, file) == 2)
        pcm[n++] = (int16_t)wav_get(bytes, 2);
    return n;
}

#endif
