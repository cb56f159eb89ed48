/* Writes what a stream decodes to at its coded rate, as floats in the machine's order: pcm STREAM */
#include "check.h"

int main(int argc, char **argv)
{
    sparc_decoding options;
    sparc_info info;
    unsigned char *stream;
    float *pcm = NULL;
    size_t length, written = 0, count = 0;
    sparc_error error;
    if (argc != 2)
        return 2;
    stream = file(argv[1], &length);
    sparc_decoding_init(&options, sizeof options);
    options.coded_rate = 1;
    error = sparc_decode_float(stream, length, &options, &pcm, &info, NULL);
    if (error == SPARC_OK) {
        count = (size_t)info.samples * info.channels;
        written = fwrite(pcm, sizeof *pcm, count, stdout);
    }
    sparc_free(pcm);
    free(stream);
    return error != SPARC_OK ? error : written == count && fflush(stdout) == 0 ? 0 : 1;
}
