/* The same stream gives the same PCM however it is pushed and pulled, damaged or not: decoder STREAM... */
#include "check.h"

/* What came of a stream. */
typedef struct {
    sparc_error error;
    sparc_info info;
    sparc_damage damage;
    size_t frames;
    int16_t *pcm;
} outcome;

/* Decodes with pushes of `piece` bytes and pulls of up to `most` sample frames. */
static outcome decode(sparc_decoder *decoder, const unsigned char *stream, size_t length, size_t piece, size_t most)
{
    outcome made = {SPARC_OK, {0, 0, 0}, {0, 0, 0, 0}, 0, NULL};
    size_t room = 0, at = 0, frames = 0;
    int16_t *buffer = malloc(sizeof *buffer * 8 * most);
    int last = 0;
    CHECK(buffer != NULL);
    while (made.error == SPARC_OK && !last) {
        size_t count = length - at < piece ? length - at : piece;
        last = count == 0;
        if (last)
            ANSWERS(sparc_decoder_finish(decoder), SPARC_OK);
        else
            ANSWERS(sparc_decoder_push(decoder, stream + at, count), SPARC_OK);
        at += count;
        made.error = sparc_decoder_info(decoder, &made.info);
        while (made.error == SPARC_OK) {
            made.error = sparc_decoder_pull_i16(decoder, buffer, made.info.channels, most, &frames);
            CHECK(frames <= most && (made.error == SPARC_OK || frames == 0));
            if (frames == 0)
                break;
            if (made.frames + frames > room) {
                room = 2 * (made.frames + frames);
                made.pcm = realloc(made.pcm, sizeof *made.pcm * room * made.info.channels);
                CHECK(made.pcm != NULL);
            }
            memcpy(made.pcm + made.frames * made.info.channels, buffer, sizeof *buffer * frames * made.info.channels);
            made.frames += frames;
        }
    }
    ANSWERS(sparc_decoder_damage(decoder, &made.damage), SPARC_OK);
    if (made.error != SPARC_OK) {
        const char *message = sparc_decoder_message(decoder);
        CHECK(strlen(message) > 0 && strlen(message) < 256);
        CHECK(strcmp(message, sparc_last_message()) == 0);
        /* It stays so. */
        if (made.info.channels > 0)
            ANSWERS(sparc_decoder_pull_i16(decoder, buffer, made.info.channels, most, &frames), made.error);
        else
            ANSWERS(sparc_decoder_info(decoder, &made.info), made.error);
    }
    free(buffer);
    return made;
}

static int alike(const outcome *a, const outcome *b)
{
    size_t bytes = sizeof *a->pcm * a->frames * a->info.channels;
    return a->error == b->error && a->frames == b->frames && a->info.channels == b->info.channels &&
           a->info.rate == b->info.rate && memcmp(&a->damage, &b->damage, sizeof a->damage) == 0 &&
           (bytes == 0 || memcmp(a->pcm, b->pcm, bytes) == 0);
}

/* In one piece, in many, and by the function for whole streams; returns what came. */
static outcome all_ways(sparc_decoder *decoder, const unsigned char *stream, size_t length)
{
    static const size_t ways[3][2] = {{1, 4096}, {97, 1000}, {4096, 13}};
    outcome whole = decode(decoder, stream, length, length + 1, 1 << 20), made;
    int16_t *pcm = NULL;
    float *samples = NULL;
    size_t way, n;
    for (way = 0; way < 3; way++) {
        ANSWERS(sparc_decoder_reset(decoder), SPARC_OK);
        CHECK(strcmp(sparc_decoder_message(decoder), "") == 0);
        made = decode(decoder, stream, length, ways[way][0], ways[way][1]);
        CHECK(alike(&whole, &made));
        free(made.pcm);
    }
    ANSWERS(sparc_decoder_reset(decoder), SPARC_OK);
    made = whole;
    made.error = sparc_decode_i16(stream, length, NULL, &pcm, &made.info, &made.damage);
    made.pcm = pcm;
    if (made.error == SPARC_OK) {
        made.frames = (size_t)made.info.samples;
        CHECK(alike(&whole, &made));
        ANSWERS(sparc_decode_float(stream, length, NULL, &samples, &made.info, NULL), SPARC_OK);
        for (n = 0; n < made.frames * made.info.channels; n++) {
            double scaled = samples[n] * 32768.0, near = scaled - pcm[n];
            if (!(near >= -0.5 && near <= 0.5) && !(scaled > 32767 && pcm[n] == 32767) &&
                !(scaled < -32768 && pcm[n] == -32768))
                break;
        }
        CHECK(n == made.frames * made.info.channels);
    } else {
        CHECK(made.error == whole.error && pcm == NULL && made.info.channels == 0);
    }
    sparc_free(pcm);
    sparc_free(samples);
    return whole;
}

/* A part of a stream without what comes before. */
static void parts(const unsigned char *stream, size_t length, const outcome *whole)
{
    sparc_info info;
    sparc_damage damage;
    float *pcm = NULL;
    uint64_t last = whole->frames;
    ANSWERS(sparc_decode_range_float(stream, length, last / 2, 100, NULL, &pcm, &info, &damage), SPARC_OK);
    CHECK(info.rate == whole->info.rate && info.channels == whole->info.channels);
    CHECK(info.samples == (last - last / 2 < 100 ? last - last / 2 : 100));
    sparc_free(pcm);
    ANSWERS(sparc_decode_range_float(stream, length, UINT64_MAX, UINT64_MAX, NULL, &pcm, &info, NULL), SPARC_OK);
    CHECK(info.samples == 0 && pcm != NULL);
    sparc_free(pcm);
}

int main(int argc, char **argv)
{
    sparc_decoder *decoder = NULL;
    sparc_decoding options;
    unsigned long sound = 0, concealed = 0, refused = 0;
    int n;
    ANSWERS(sparc_decoding_init(&options, sizeof options), SPARC_OK);
    ANSWERS(sparc_decoder_new(&options, &decoder), SPARC_OK);
    for (n = 1; n < argc; n++) {
        unsigned long before = failures;
        size_t length;
        unsigned char *stream = file(argv[n], &length);
        outcome whole = all_ways(decoder, stream, length), cut;
        uint64_t needed = 0;
        if (whole.error == SPARC_OK) {
            sound++;
            concealed += whole.damage.concealed > 0;
            parts(stream, length, &whole);
            CHECK(whole.info.samples == SPARC_UNKNOWN || whole.info.samples == whole.frames);
            ANSWERS(sparc_memory_required(stream, length, NULL, &needed), SPARC_OK);
            CHECK(needed > 0 && needed <= options.memory);
        } else {
            refused++;
        }
        /* Cut anywhere it is refused, damaged anywhere it is decoded or refused. */
        if (whole.error == SPARC_OK && whole.damage.places == 0) {
            cut = all_ways(decoder, stream, length * 2 / 3);
            CHECK(cut.error == SPARC_ERROR_STREAM || cut.error == SPARC_ERROR_MODEL);
            CHECK(cut.frames <= whole.frames);
            free(cut.pcm);
            stream[length * 2 / 3] ^= 0x5a;
            cut = all_ways(decoder, stream, length);
            CHECK(cut.error != SPARC_OK || cut.damage.places > 0 || cut.frames == whole.frames);
            free(cut.pcm);
        }
        if (failures > before)
            fprintf(stderr, "    with %s\n", argv[n]);
        free(whole.pcm);
        free(stream);
    }
    sparc_decoder_free(decoder);
    printf("%lu streams decoded, %lu of them with losses, %lu refused\n", sound, concealed, refused);
    return ended("decoder");
}
