/* Decodes a .sparc file to a WAV file of 16-bit PCM, a little at a time: decode IN.sparc OUT.wav
 *
 * cc -std=c99 decode.c $(pkg-config --cflags --libs sparc) -o decode
 */
#include <sparc.h>

#include <stdio.h>
#include <stdlib.h>

#include "wav.h"

enum { BYTES = 100, FRAMES = 512 };

/* Writes what is ready, once the header is known. */
static sparc_error drain(sparc_decoder *decoder, FILE *out, uint64_t *written, int *broken)
{
    int16_t pcm[8 * FRAMES];
    sparc_info info;
    size_t frames = 0;
    sparc_error error = sparc_decoder_info(decoder, &info);
    if (error != SPARC_OK || info.channels == 0)
        return error;
    /* The length is perhaps not known yet: it is written again at the end. */
    if (*written == 0 && ftell(out) == 0)
        *broken |= wav_write_header(out, info.rate, info.channels, 0);
    do {
        error = sparc_decoder_pull_i16(decoder, pcm, info.channels, FRAMES, &frames);
        *broken |= wav_write(out, pcm, frames * info.channels);
        *written += frames;
    } while (error == SPARC_OK && frames > 0 && !*broken);
    return error;
}

int main(int argc, char **argv)
{
    unsigned char bytes[BYTES];
    sparc_decoder *decoder = NULL;
    sparc_damage damage;
    sparc_info info;
    sparc_error error;
    FILE *in, *out;
    uint64_t written = 0;
    size_t count;
    int broken = 0;

    if (argc != 3) {
        fprintf(stderr, "usage: %s IN.sparc OUT.wav\n", argv[0]);
        return 2;
    }
    in = fopen(argv[1], "rb");
    out = fopen(argv[2], "wb");
    if (in == NULL || out == NULL) {
        perror(in == NULL ? argv[1] : argv[2]);
        return 3;
    }
    error = sparc_decoder_new(NULL, &decoder);
    while (error == SPARC_OK && !broken && (count = fread(bytes, 1, BYTES, in)) > 0) {
        error = sparc_decoder_push(decoder, bytes, count);
        if (error == SPARC_OK)
            error = drain(decoder, out, &written, &broken);
    }
    if (error == SPARC_OK && !broken) {
        sparc_decoder_finish(decoder);
        error = drain(decoder, out, &written, &broken);
    }
    if (error != SPARC_OK) {
        fprintf(stderr, "%s: %s\n", argv[1], sparc_last_message());
    } else {
        sparc_decoder_info(decoder, &info);
        rewind(out);
        broken |= wav_write_header(out, info.rate, info.channels, written);
        sparc_decoder_damage(decoder, &damage);
        if (damage.concealed > 0)
            fprintf(stderr, "%s: %u of %u segments are damaged and were concealed\n", argv[1],
                    (unsigned)damage.concealed, (unsigned)damage.segments);
    }
    sparc_decoder_free(decoder);
    fclose(in);
    if (fclose(out) != 0 || broken) {
        fprintf(stderr, "%s: cannot be written\n", argv[2]);
        return 7;
    }
    return error;
}
