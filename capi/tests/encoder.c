/* The same sound gives the same bytes however it is pushed and taken: encoder MODEL */
#include "check.h"

enum { RATE = 16000 };

/* Sample frames to encode: fewer where everything is slow, but more than a second. */
#ifndef FRAMES
#define FRAMES 40000
#endif

typedef struct {
    sparc_error error;
    size_t length;
    unsigned char bytes[1 << 17];
} outcome;

/* Takes what is ready, `most` bytes at a time. */
static void take(sparc_encoder *encoder, outcome *made, size_t most)
{
    size_t count = 1;
    while (count > 0) {
        size_t ready = sparc_encoder_ready(encoder), left = sizeof made->bytes - made->length;
        ANSWERS(sparc_encoder_take(encoder, made->bytes + made->length, most < left ? most : left, &count), SPARC_OK);
        CHECK(count <= most && count <= ready && sparc_encoder_ready(encoder) == ready - count);
        made->length += count;
    }
}

/* Encodes with pushes of `piece` sample frames, as floats if asked to. */
static outcome *encode(sparc_encoder *encoder, const int16_t *pcm, uint32_t channels, size_t piece, size_t most, int floats)
{
    outcome *made = malloc(sizeof *made);
    size_t at, n;
    CHECK(made != NULL);
    made->error = SPARC_OK;
    made->length = 0;
    for (at = 0; at < FRAMES && made->error == SPARC_OK; at += piece) {
        size_t frames = FRAMES - at < piece ? FRAMES - at : piece;
        const int16_t *from = pcm + at * channels;
        if (floats) {
            float *samples = malloc(sizeof *samples * frames * channels);
            for (n = 0; n < frames * channels; n++)
                samples[n] = (float)from[n] / 32768.0f;
            made->error = sparc_encoder_push_float(encoder, samples, frames);
            free(samples);
        } else {
            made->error = sparc_encoder_push_i16(encoder, from, frames);
        }
        take(encoder, made, most);
    }
    if (made->error == SPARC_OK)
        made->error = sparc_encoder_finish(encoder);
    take(encoder, made, most);
    return made;
}

static int alike(const outcome *a, const unsigned char *bytes, size_t length)
{
    return a->length == length && memcmp(a->bytes, bytes, length) == 0;
}

/* Every way to encode with these options; what comes decodes to as many samples. */
static void all_ways(const sparc_encoding *options, uint32_t rate, uint32_t channels, int clip)
{
    static const size_t ways[3][3] = {{FRAMES, 1 << 16, 0}, {777, 11, 0}, {4096, 1000, 1}};
    int16_t *pcm = sound(FRAMES, channels), *decoded = NULL;
    sparc_encoder *encoder = NULL;
    sparc_damage damage;
    sparc_info info;
    unsigned char *stream = NULL;
    outcome *first = NULL;
    size_t way, length = 0;
    ANSWERS(sparc_encoder_new(rate, channels, options, &encoder), SPARC_OK);
    for (way = 0; way < 3; way++) {
        outcome *made = encode(encoder, pcm, channels, ways[way][0], ways[way][1], (int)ways[way][2]);
        ANSWERS(made->error, SPARC_OK);
        ANSWERS(sparc_encoder_push_i16(encoder, pcm, 1), SPARC_ERROR_STATE);
        ANSWERS(sparc_encoder_finish(encoder), SPARC_ERROR_STATE);
        CHECK(strcmp(sparc_encoder_message(encoder), "") != 0);
        if (first == NULL) {
            first = made;
        } else {
            CHECK(alike(first, made->bytes, made->length));
            free(made);
        }
        ANSWERS(sparc_encoder_reset(encoder), SPARC_OK);
    }
    sparc_encoder_free(encoder);
    if (clip) {
        ANSWERS(sparc_encode_i16(pcm, FRAMES, rate, channels, options, &stream, &length), SPARC_OK);
        CHECK(alike(first, stream, length));
        sparc_free(stream);
    }
    ANSWERS(sparc_decode_i16(first->bytes, first->length, NULL, &decoded, &info, &damage), SPARC_OK);
    CHECK(info.rate == rate && info.channels == channels && info.samples == FRAMES && damage.places == 0);
    sparc_free(decoded);
    free(first);
    free(pcm);
}

/* Options and sound that are refused, each with its number. */
static void refused(void)
{
    sparc_encoding options, usual;
    sparc_encoder *encoder = NULL;
    unsigned char *stream = NULL;
    size_t length = 0, n;
    int16_t *pcm = sound(FRAMES, 1);
    float samples[4] = {0, 0.5f, 0, 0}, zero = 0;
    ANSWERS(sparc_encoding_init(&usual, sizeof usual), SPARC_OK);
#define REFUSED(field, value, error)                                                                                   \
    options = usual, options.effort = SPARC_EFFORT_FAST, options.field = (value);                                      \
    ANSWERS(sparc_encoder_new(RATE, 1, &options, &encoder), error);                                                    \
    CHECK(encoder == NULL && strlen(sparc_last_message()) > 0)
    REFUSED(rate, 4, SPARC_ERROR_OPTIONS);
    REFUSED(effort, 3, SPARC_ERROR_OPTIONS);
    REFUSED(delay, zero / zero, SPARC_ERROR_OPTIONS);
    REFUSED(segment, -1.0f, SPARC_ERROR_OPTIONS);
    REFUSED(segment, zero / zero, SPARC_ERROR_OPTIONS);
    REFUSED(size, 0, SPARC_ERROR_ARGUMENT);
    REFUSED(size, sizeof options + 8, SPARC_ERROR_ARGUMENT);
    REFUSED(comment_count, 1, SPARC_ERROR_ARGUMENT);
    usual.rate = SPARC_RATE_QUALITY;
    REFUSED(quality, 10.5f, SPARC_ERROR_OPTIONS);
    REFUSED(quality, zero / zero, SPARC_ERROR_OPTIONS);
    usual.rate = SPARC_RATE_DEFAULT;
    ANSWERS(sparc_encoder_new(999, 1, NULL, &encoder), SPARC_ERROR_AUDIO);
    ANSWERS(sparc_encoder_new(192001, 1, NULL, &encoder), SPARC_ERROR_AUDIO);
    ANSWERS(sparc_encoder_new(RATE, 0, NULL, &encoder), SPARC_ERROR_AUDIO);
    ANSWERS(sparc_encoder_new(RATE, 9, NULL, &encoder), SPARC_ERROR_LIMIT);
    ANSWERS(sparc_encoder_new(RATE, UINT32_MAX, NULL, &encoder), SPARC_ERROR_LIMIT);
    CHECK(encoder == NULL);

    /* Too few bits: said by then, and for good, until it begins anew. */
    options = usual, options.rate = SPARC_RATE_BITRATE, options.bitrate = 1, options.effort = SPARC_EFFORT_FAST;
    ANSWERS(sparc_encode_i16(pcm, FRAMES, RATE, 1, &options, &stream, &length), SPARC_ERROR_OPTIONS);
    CHECK(stream == NULL && length == 0);
    ANSWERS(sparc_encoder_new(RATE, 1, &options, &encoder), SPARC_OK);
    ANSWERS(sparc_encoder_push_i16(encoder, pcm, FRAMES), SPARC_OK);
    ANSWERS(sparc_encoder_finish(encoder), SPARC_ERROR_OPTIONS);
    ANSWERS(sparc_encoder_finish(encoder), SPARC_ERROR_OPTIONS);
    ANSWERS(sparc_encoder_push_i16(encoder, pcm, FRAMES), SPARC_ERROR_OPTIONS);
    ANSWERS(sparc_encoder_reset(encoder), SPARC_OK);
    CHECK(strcmp(sparc_encoder_message(encoder), "") == 0);
    ANSWERS(sparc_encoder_push_i16(encoder, pcm, 10), SPARC_OK);
    sparc_encoder_free(encoder);

    /* Samples that are refused are not taken, and the encoder goes on. */
    options.bitrate = 20000;
    ANSWERS(sparc_encoder_new(RATE, 2, &options, &encoder), SPARC_OK);
    for (n = 0; n < 3; n++) {
        samples[2] = n == 0 ? zero / zero : n == 1 ? 1.0f / zero : -17.0f;
        ANSWERS(sparc_encoder_push_float(encoder, samples, 2), SPARC_ERROR_AUDIO);
    }
    ANSWERS(sparc_encoder_finish(encoder), SPARC_ERROR_AUDIO);
    ANSWERS(sparc_encoder_reset(encoder), SPARC_OK);
    ANSWERS(sparc_encoder_push_float(encoder, samples, 2), SPARC_ERROR_AUDIO);
    ANSWERS(sparc_encoder_push_i16(encoder, pcm, FRAMES / 2), SPARC_OK);
    ANSWERS(sparc_encoder_finish(encoder), SPARC_OK);
    CHECK(sparc_encoder_ready(encoder) > 0);
    sparc_encoder_free(encoder);
    ANSWERS(sparc_encode_i16(NULL, 0, RATE, 1, NULL, &stream, &length), SPARC_ERROR_AUDIO);
    ANSWERS(sparc_encode_i16(pcm, FRAMES, RATE, 0, NULL, &stream, &length), SPARC_ERROR_AUDIO);
    ANSWERS(sparc_encode_i16(pcm, 2, RATE, 9, NULL, &stream, &length), SPARC_ERROR_LIMIT);
    ANSWERS(sparc_encode_i16(pcm, SIZE_MAX / 2, RATE, 4, NULL, &stream, &length), SPARC_ERROR_ARGUMENT);
    free(pcm);
}

/* A network from a file, to encode with and within the stream; comments. */
static void networks(const char *path)
{
    const char *comments[2] = {"TITLE=a saw", "ARTIST=a test = a test"}, *bad[1] = {"no equals sign"};
    unsigned char id[8] = {0}, none[8] = {0}, *stream, *model;
    sparc_network *network = NULL;
    const sparc_network *at_hand[1];
    sparc_encoding options;
    sparc_decoding decoding;
    size_t bytes, length = 0, n, found = 0;
    int16_t *pcm = sound(FRAMES, 1), *decoded = NULL;
    sparc_info info;
    model = file(path, &bytes);
    ANSWERS(sparc_network_read(model, bytes - 1, &network), SPARC_ERROR_MODEL);
    CHECK(network == NULL);
    ANSWERS(sparc_network_read(NULL, 0, &network), SPARC_ERROR_MODEL);
    ANSWERS(sparc_network_read(model, bytes, &network), SPARC_OK);
    ANSWERS(sparc_network_id(network, id), SPARC_OK);
    CHECK(memcmp(id, none, 8) != 0);
    ANSWERS(sparc_encoding_init(&options, sizeof options), SPARC_OK);
    options.effort = SPARC_EFFORT_FAST;
    options.network = network;
    options.embed_network = 1;
    options.seek_index = 1;
    options.vendor = "a test";
    options.comments = comments;
    options.comment_count = 2;
    ANSWERS(sparc_encode_i16(pcm, FRAMES, RATE, 1, &options, &stream, &length), SPARC_OK);
    CHECK(length > bytes);
    for (n = 0; n + 19 < length; n++)
        found += memcmp(stream + n, "TITLE=a saw", 11) == 0;
    CHECK(found == 1);
    ANSWERS(sparc_decoding_init(&decoding, sizeof decoding), SPARC_OK);
    at_hand[0] = network;
    decoding.networks = at_hand;
    decoding.network_count = 1;
    ANSWERS(sparc_decode_i16(stream, length, &decoding, &decoded, &info, NULL), SPARC_OK);
    sparc_free(decoded);
    at_hand[0] = NULL;
    ANSWERS(sparc_decode_i16(stream, length, &decoding, &decoded, &info, NULL), SPARC_ERROR_ARGUMENT);
    CHECK(decoded == NULL);
    sparc_free(stream);
    options.comments = bad;
    options.comment_count = 1;
    ANSWERS(sparc_encode_i16(pcm, FRAMES, RATE, 1, &options, &stream, &length), SPARC_ERROR_OPTIONS);
    CHECK(strstr(sparc_last_message(), "no equals sign") != NULL);
    bad[0] = "K=\xff";
    ANSWERS(sparc_encode_i16(pcm, FRAMES, RATE, 1, &options, &stream, &length), SPARC_ERROR_OPTIONS);
    sparc_network_free(network);
    free(pcm);
    free(model);
}

int main(int argc, char **argv)
{
    sparc_encoding options;
    if (argc != 2)
        return 2;
    ANSWERS(sparc_encoding_init(&options, sizeof options), SPARC_OK);
    CHECK(options.size == sizeof options && options.rate == SPARC_RATE_DEFAULT && options.network == NULL);
    options.effort = SPARC_EFFORT_FAST;
    /* Its delay is longer than the sound, so that it is a clip. */
    all_ways(&options, RATE, 1, 1);
    all_ways(&options, 22050, 2, 1);
    options.rate = SPARC_RATE_BITRATE;
    options.bitrate = 9000;
    options.delay = 1.0f;
    all_ways(&options, RATE, 1, 0);
    options.rate = SPARC_RATE_CONSTANT;
    options.delay = -1.0f;
    options.segment = 0.25f;
    all_ways(&options, RATE, 1, 0);
    options.rate = SPARC_RATE_QUALITY;
    options.quality = 3.0f;
    options.interpolate = 1;
    all_ways(&options, RATE, 1, 0);
    refused();
    networks(argv[1]);
    return ended("encoder");
}
