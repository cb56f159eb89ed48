/* Encodes a WAV file of 16-bit PCM to a .sparc file, a little at a time: encode IN.wav OUT.sparc [BITS_PER_SECOND]
 *
 * cc -std=c99 encode.c $(pkg-config --cflags --libs sparc) -o encode
 */
#include <sparc.h>

#include <stdio.h>
#include <stdlib.h>

#include "wav.h"

enum { FRAMES = 1000, BYTES = 256 };

/* Writes the bytes that are ready. */
static void drain(sparc_encoder *encoder, FILE *out, int *broken)
{
    unsigned char bytes[BYTES];
    size_t count = 0;
    while (sparc_encoder_take(encoder, bytes, BYTES, &count) == SPARC_OK && count > 0)
        *broken |= fwrite(bytes, 1, count, out) != count;
}

int main(int argc, char **argv)
{
    sparc_encoding options;
    sparc_encoder *encoder = NULL;
    sparc_error error;
    FILE *in, *out;
    uint32_t rate = 0, channels = 0, left = 0;
    int16_t *pcm;
    int broken = 0;

    if (argc != 3 && argc != 4) {
        fprintf(stderr, "usage: %s IN.wav OUT.sparc [BITS_PER_SECOND]\n", argv[0]);
        return 2;
    }
    in = fopen(argv[1], "rb");
    if (in == NULL || wav_read_header(in, &rate, &channels, &left) != 0) {
        fprintf(stderr, "%s: is no WAV file of 16-bit PCM\n", argv[1]);
        return 3;
    }
    out = fopen(argv[2], "wb");
    pcm = malloc(sizeof *pcm * FRAMES * channels);
    if (out == NULL || pcm == NULL) {
        perror(argv[2]);
        return 7;
    }
    sparc_encoding_init(&options, sizeof options);
    if (argc == 4) {
        options.rate = SPARC_RATE_BITRATE;
        options.bitrate = (uint32_t)strtoul(argv[3], NULL, 10);
    }
    error = sparc_encoder_new(rate, channels, &options, &encoder);
    left /= 2 * channels;
    while (error == SPARC_OK && left > 0) {
        size_t frames = wav_read(in, pcm, (size_t)(left < FRAMES ? left : FRAMES) * channels) / channels;
        if (frames == 0)
            break;
        error = sparc_encoder_push_i16(encoder, pcm, frames);
        drain(encoder, out, &broken);
        left -= (uint32_t)frames;
    }
    if (error == SPARC_OK)
        error = sparc_encoder_finish(encoder);
    drain(encoder, out, &broken);
    if (error != SPARC_OK)
        fprintf(stderr, "%s: %s\n", argv[1], sparc_last_message());
    sparc_encoder_free(encoder);
    free(pcm);
    fclose(in);
    if (fclose(out) != 0 || broken) {
        fprintf(stderr, "%s: cannot be written\n", argv[2]);
        return 7;
    }
    return error;
}
