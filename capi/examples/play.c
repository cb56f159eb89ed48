/* Plays a .sparc file, or standard input: play [IN.sparc]
 *
 * As it stands it writes raw PCM (16 bits in the machine's order, interleaved) to standard output, as soon as it is there, and
 * says on standard error what it is:  play talk.sparc | aplay -t raw -f S16_LE -r 16000 -c 1
 * Compiled with -DWITH_ALSA -lasound it plays by itself.
 *
 * cc -std=c99 play.c $(pkg-config --cflags --libs sparc) -o play
 */
#ifdef WITH_ALSA
/* ALSA's header asks for more than C99 has. */
#define _DEFAULT_SOURCE
#include <alsa/asoundlib.h>
#endif
#include <sparc.h>

#include <stdio.h>

enum { BYTES = 512, FRAMES = 1024 };

#ifdef WITH_ALSA
static snd_pcm_t *device;

static int begin(const sparc_info *info)
{
    int error = snd_pcm_open(&device, "default", SND_PCM_STREAM_PLAYBACK, 0);
    if (error == 0)
        error = snd_pcm_set_params(device, SND_PCM_FORMAT_S16, SND_PCM_ACCESS_RW_INTERLEAVED, info->channels, info->rate, 1,
                                   500000);
    if (error < 0)
        fprintf(stderr, "ALSA: %s\n", snd_strerror(error));
    return error;
}

static int play(const int16_t *pcm, size_t frames, uint32_t channels)
{
    while (frames > 0) {
        snd_pcm_sframes_t played = snd_pcm_writei(device, pcm, frames);
        if (played < 0)
            played = snd_pcm_recover(device, (int)played, 1);
        if (played < 0)
            return -1;
        pcm += (size_t)played * channels;
        frames -= (size_t)played;
    }
    return 0;
}

static void end(void)
{
    if (device != NULL) {
        snd_pcm_drain(device);
        snd_pcm_close(device);
    }
}
#else
static int begin(const sparc_info *info)
{
    fprintf(stderr, "%u Hz, %u channels, 16 bits\n", (unsigned)info->rate, (unsigned)info->channels);
    return 0;
}

static int play(const int16_t *pcm, size_t frames, uint32_t channels)
{
    size_t count = frames * channels;
    return fwrite(pcm, sizeof *pcm, count, stdout) == count ? fflush(stdout) : -1;
}

static void end(void)
{
}
#endif

int main(int argc, char **argv)
{
    unsigned char bytes[BYTES];
    int16_t pcm[8 * FRAMES];
    sparc_decoder *decoder = NULL;
    sparc_info info = {0, 0, 0};
    sparc_error error = sparc_decoder_new(NULL, &decoder);
    FILE *in = argc > 1 ? fopen(argv[1], "rb") : stdin;
    int begun = 0, broken = 0, last = 0;

    if (in == NULL) {
        perror(argv[1]);
        return 3;
    }
    while (error == SPARC_OK && !broken && !last) {
        size_t frames = 0, count = fread(bytes, 1, BYTES, in);
        last = count == 0;
        error = last ? sparc_decoder_finish(decoder) : sparc_decoder_push(decoder, bytes, count);
        if (error == SPARC_OK)
            error = sparc_decoder_info(decoder, &info);
        if (error != SPARC_OK)
            break;
        if (info.channels > 0 && !begun) {
            begun = 1;
            broken = begin(&info);
        }
        do {
            error = sparc_decoder_pull_i16(decoder, pcm, info.channels, FRAMES, &frames);
            if (error == SPARC_OK && !broken)
                broken = play(pcm, frames, info.channels);
        } while (error == SPARC_OK && !broken && frames > 0);
    }
    if (error != SPARC_OK)
        fprintf(stderr, "%s: %s\n", argc > 1 ? argv[1] : "standard input", sparc_decoder_message(decoder));
    sparc_decoder_free(decoder);
    end();
    if (in != stdin)
        fclose(in);
    return broken ? 7 : error;
}
