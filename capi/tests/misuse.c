/* NULL, sizes and times that make no sense: every function says so, and nothing else happens. misuse STREAM */
#include "check.h"

#define ARGUMENT(call) ANSWERS(call, SPARC_ERROR_ARGUMENT)

static void nulls(const unsigned char *stream, size_t length)
{
    sparc_decoder *decoder = NULL;
    sparc_encoder *encoder = NULL;
    sparc_network *network = NULL;
    sparc_fixed *fixed = NULL;
    sparc_decoding decoding;
    sparc_encoding encoding;
    sparc_damage damage;
    sparc_info info;
    int16_t pcm[16], *decoded = NULL;
    float samples[16], *floats = NULL;
    unsigned char bytes[16], *coded = NULL;
    size_t count = 7;
    uint64_t needed = 0;

    /* What takes NULL for nothing. */
    sparc_decoder_free(NULL), sparc_encoder_free(NULL), sparc_network_free(NULL), sparc_fixed_end(NULL), sparc_free(NULL);
    CHECK(strcmp(sparc_decoder_message(NULL), "") == 0);
    CHECK(strcmp(sparc_encoder_message(NULL), "") == 0);
    CHECK(strcmp(sparc_fixed_message(NULL), "") == 0);
    CHECK(sparc_encoder_ready(NULL) == 0 && sparc_encoder_starved(NULL) == 0);

    ARGUMENT(sparc_decoding_init(NULL, sizeof decoding));
    ARGUMENT(sparc_decoding_init(&decoding, sizeof decoding - 1));
    ARGUMENT(sparc_decoding_init(&decoding, SIZE_MAX));
    ARGUMENT(sparc_encoding_init(NULL, sizeof encoding));
    ARGUMENT(sparc_encoding_init(&encoding, 0));
    ARGUMENT(sparc_network_read(stream, length, NULL));
    ARGUMENT(sparc_network_read(NULL, 5, &network));
    ARGUMENT(sparc_network_id(NULL, bytes));
    ARGUMENT(sparc_memory_required(NULL, 5, NULL, &needed));
    ARGUMENT(sparc_memory_required(stream, length, NULL, NULL));
    CHECK(network == NULL && needed == 0);

    ARGUMENT(sparc_decoder_new(NULL, NULL));
    memset(&decoding, 0x55, sizeof decoding);
    ARGUMENT(sparc_decoder_new(&decoding, &decoder));
    CHECK(decoder == NULL);
    CHECK(strstr(sparc_last_message(), "initialised") != NULL);
    ARGUMENT(sparc_decoder_push(NULL, stream, length));
    ARGUMENT(sparc_decoder_finish(NULL));
    ARGUMENT(sparc_decoder_info(NULL, &info));
    ARGUMENT(sparc_decoder_pull_i16(NULL, pcm, 1, 16, &count));
    ARGUMENT(sparc_decoder_pull_float(NULL, samples, 1, 16, &count));
    ARGUMENT(sparc_decoder_damage(NULL, &damage));
    ARGUMENT(sparc_decoder_reset(NULL));
    ANSWERS(sparc_decoder_new(NULL, &decoder), SPARC_OK);
    ARGUMENT(sparc_decoder_push(decoder, NULL, 1));
    CHECK(strstr(sparc_decoder_message(decoder), "NULL") != NULL);
    ARGUMENT(sparc_decoder_push(decoder, stream, SIZE_MAX));
    ARGUMENT(sparc_decoder_info(decoder, NULL));
    ARGUMENT(sparc_decoder_damage(decoder, NULL));
    ARGUMENT(sparc_decoder_pull_i16(decoder, pcm, 1, 16, NULL));
    ARGUMENT(sparc_decoder_pull_i16(decoder, NULL, 1, 16, &count));
    ARGUMENT(sparc_decoder_pull_i16(decoder, pcm, 8, SIZE_MAX, &count));
    ARGUMENT(sparc_decoder_pull_i16(decoder, pcm, 1, SIZE_MAX / 2, &count));
    ARGUMENT(sparc_decoder_pull_float(decoder, (float *)(void *)(bytes + 1), 1, 1, &count));
    CHECK(strstr(sparc_decoder_message(decoder), "aligned") != NULL);
    CHECK(count == 0);
    ANSWERS(sparc_decoder_push(decoder, NULL, 0), SPARC_OK);
    ANSWERS(sparc_decoder_pull_i16(decoder, NULL, 0, 0, &count), SPARC_OK);
    sparc_decoder_free(decoder);

    ARGUMENT(sparc_decode_i16(NULL, 5, NULL, &decoded, &info, &damage));
    ARGUMENT(sparc_decode_i16(stream, length, NULL, NULL, &info, &damage));
    ARGUMENT(sparc_decode_i16(stream, length, NULL, &decoded, NULL, &damage));
    ARGUMENT(sparc_decode_float(stream, length, NULL, NULL, &info, &damage));
    ARGUMENT(sparc_decode_range_float(stream, length, 0, 1, NULL, NULL, &info, &damage));
    ARGUMENT(sparc_decode_range_float(stream, length, 0, 1, NULL, &floats, NULL, &damage));
    ANSWERS(sparc_decode_i16(NULL, 0, NULL, &decoded, &info, &damage), SPARC_ERROR_STREAM);
    CHECK(decoded == NULL && floats == NULL);

    ARGUMENT(sparc_encoder_new(16000, 1, NULL, NULL));
    ARGUMENT(sparc_encoder_push_i16(NULL, pcm, 1));
    ARGUMENT(sparc_encoder_push_float(NULL, samples, 1));
    ARGUMENT(sparc_encoder_finish(NULL));
    ARGUMENT(sparc_encoder_take(NULL, bytes, 16, &count));
    ARGUMENT(sparc_encoder_reset(NULL));
    ANSWERS(sparc_encoder_new(16000, 2, NULL, &encoder), SPARC_OK);
    ARGUMENT(sparc_encoder_push_i16(encoder, NULL, 1));
    ARGUMENT(sparc_encoder_push_i16(encoder, pcm, SIZE_MAX));
    ARGUMENT(sparc_encoder_push_i16(encoder, pcm, SIZE_MAX / 4));
    ARGUMENT(sparc_encoder_push_float(encoder, NULL, 1));
    ARGUMENT(sparc_encoder_take(encoder, NULL, 16, &count));
    ARGUMENT(sparc_encoder_take(encoder, bytes, 16, NULL));
    ANSWERS(sparc_encoder_push_i16(encoder, NULL, 0), SPARC_OK);
    ANSWERS(sparc_encoder_take(encoder, NULL, 0, &count), SPARC_OK);
    CHECK(count == 0);
    sparc_encoder_free(encoder);
    ARGUMENT(sparc_encode_i16(NULL, 1, 16000, 1, NULL, &coded, &count));
    ARGUMENT(sparc_encode_i16(pcm, 1, 16000, 1, NULL, NULL, &count));
    ARGUMENT(sparc_encode_i16(pcm, 1, 16000, 1, NULL, &coded, NULL));
    ARGUMENT(sparc_encode_float(NULL, 1, 16000, 1, NULL, &coded, &count));
    CHECK(coded == NULL);

    ARGUMENT(sparc_fixed_size(NULL, 5, NULL, &count));
    ARGUMENT(sparc_fixed_size(stream, length, NULL, NULL));
    ARGUMENT(sparc_fixed_init(NULL, 1 << 20, stream, length, NULL, &fixed));
    ARGUMENT(sparc_fixed_init(bytes, 16, stream, length, NULL, NULL));
    ARGUMENT(sparc_fixed_init(bytes, 16, NULL, 5, NULL, &fixed));
    ANSWERS(sparc_fixed_init(bytes, 16, stream, length, NULL, &fixed), SPARC_ERROR_SPACE);
    ANSWERS(sparc_fixed_init(bytes, 16, NULL, 0, NULL, &fixed), SPARC_ERROR_STREAM);
    CHECK(fixed == NULL);
    ARGUMENT(sparc_fixed_info(NULL, &info));
    ARGUMENT(sparc_fixed_pull_i16(NULL, pcm, 1, 16, &count));
    ARGUMENT(sparc_fixed_pull_float(NULL, samples, 1, 16, &count));
}

/* Calls at a wrong time, and a buffer for another number of channels, after which all goes on. */
static void times(const unsigned char *stream, size_t length)
{
    sparc_decoder *decoder = NULL;
    sparc_info info = {1, 1, 1};
    int16_t pcm[64];
    size_t frames = 5, all = 0;
    int16_t *whole = NULL;
    sparc_info expected;
    ANSWERS(sparc_decode_i16(stream, length, NULL, &whole, &expected, NULL), SPARC_OK);
    ANSWERS(sparc_decoder_new(NULL, &decoder), SPARC_OK);
    ANSWERS(sparc_decoder_info(decoder, &info), SPARC_OK);
    CHECK(info.rate == 0 && info.channels == 0 && info.samples == SPARC_UNKNOWN);
    /* Nothing is there yet, whatever is asked for. */
    ANSWERS(sparc_decoder_pull_i16(decoder, pcm, 3, 8, &frames), SPARC_OK);
    CHECK(frames == 0);
    ANSWERS(sparc_decoder_push(decoder, stream, length), SPARC_OK);
    ANSWERS(sparc_decoder_pull_i16(decoder, pcm, 0, 64, &frames), SPARC_ERROR_ARGUMENT);
    ANSWERS(sparc_decoder_info(decoder, &info), SPARC_OK);
    CHECK(info.channels == expected.channels && info.rate == expected.rate);
    ANSWERS(sparc_decoder_pull_i16(decoder, pcm, info.channels + 1, 8, &frames), SPARC_ERROR_ARGUMENT);
    CHECK(frames == 0 && strstr(sparc_decoder_message(decoder), "channels") != NULL);
    ANSWERS(sparc_decoder_pull_i16(decoder, pcm, info.channels, 0, &frames), SPARC_OK);
    CHECK(frames == 0);
    ANSWERS(sparc_decoder_finish(decoder), SPARC_OK);
    ANSWERS(sparc_decoder_finish(decoder), SPARC_OK);
    ANSWERS(sparc_decoder_push(decoder, stream, length), SPARC_ERROR_STATE);
    /* None of this lost a sample. */
    do {
        ANSWERS(sparc_decoder_pull_i16(decoder, pcm, info.channels, 64 / info.channels, &frames), SPARC_OK);
        CHECK(memcmp(pcm, whole + all * info.channels, sizeof *pcm * frames * info.channels) == 0);
        all += frames;
    } while (frames > 0 && all <= expected.samples);
    CHECK(all == expected.samples);
    ANSWERS(sparc_decoder_pull_i16(decoder, pcm, info.channels, 8, &frames), SPARC_OK);
    CHECK(frames == 0);
    sparc_decoder_free(decoder);
    sparc_free(whole);
}

/* Limits of a decoder. */
static void limits(const unsigned char *stream, size_t length)
{
    sparc_decoding options;
    sparc_decoder *decoder = NULL;
    sparc_info info;
    int16_t pcm[64], *whole = NULL;
    size_t frames;
    uint64_t needed = 0;
    ANSWERS(sparc_decoding_init(&options, sizeof options), SPARC_OK);
    ANSWERS(sparc_memory_required(stream, length, &options, &needed), SPARC_OK);
    ANSWERS(sparc_memory_required(stream, 20, &options, &needed), SPARC_ERROR_STREAM);
    options.memory = needed - 1;
    ANSWERS(sparc_decode_i16(stream, length, &options, &whole, &info, NULL), SPARC_ERROR_LIMIT);
    ANSWERS(sparc_decoder_new(&options, &decoder), SPARC_OK);
    ANSWERS(sparc_decoder_push(decoder, stream, length), SPARC_OK);
    sparc_decoder_info(decoder, &info);
    ANSWERS(sparc_decoder_pull_i16(decoder, pcm, info.channels, 1, &frames), SPARC_ERROR_LIMIT);
    sparc_decoder_free(decoder);
    options.memory = needed;
    options.samples = 10;
    ANSWERS(sparc_decode_i16(stream, length, &options, &whole, &info, NULL), SPARC_ERROR_LIMIT);
    CHECK(whole == NULL);
}

int main(int argc, char **argv)
{
    size_t length;
    unsigned char *stream;
    int code;
    if (argc != 2)
        return 2;
    CHECK(sparc_abi() == SPARC_ABI);
    CHECK(strchr(sparc_version(), '.') != NULL);
    CHECK(strcmp(sparc_last_message(), "") == 0);
    for (code = -1; code < 20; code++)
        CHECK((strcmp(sparc_error_text(code), "unknown error") == 0) == (code < 0 || code == 8 || code > SPARC_ERROR_STATE));
    stream = file(argv[1], &length);
    nulls(stream, length);
    times(stream, length);
    limits(stream, length);
    free(stream);
    return ended("misuse");
}
