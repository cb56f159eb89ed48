/*
 * sparc: a speech and audio codec.
 *
 *   sparc_decoder   bytes as they arrive to PCM as it is ready
 *   sparc_encoder   PCM as it arrives to bytes as they are ready
 *   sparc_decode_*  a whole stream to PCM; sparc_encode_* the other way
 *   sparc_fixed     a whole stream to PCM in memory of the caller's
 *
 * Units. Rates of samples are in Hz, of bytes in bits a second, durations in seconds, sizes in bytes. PCM is interleaved. A sample
 * frame is one sample of every channel; lengths and capacities of PCM count sample frames.
 *
 * Errors. Functions that can fail answer SPARC_OK (0) or another number of sparc_error, and sparc_last_message() or the handle's
 * message says more. Results go to places that pointers lead to; those that are not said to be allowed NULL must not be, and NULL,
 * like any other argument that can be seen to make no sense, is answered with SPARC_ERROR_ARGUMENT, a call at a wrong time
 * with SPARC_ERROR_STATE. After either everything is as before the call. With a length or capacity of 0 the pointer beside it
 * may be NULL. No stream, however damaged or forged, does more than fail, within the limits of sparc_decoding. Where the heap is
 * used up, the process is aborted.
 *
 * Ownership. What a function takes it reads or copies before it returns, unless it says otherwise (sparc_fixed_init() does).
 * Handles are freed by the function of their kind, memory by sparc_free(), and nothing else by anybody; texts belong to the
 * library.
 *
 * Threads. A handle is used by one thread at a time, any thread; different handles do not know of each other. Decoding
 * starts no thread. Encoding tries settings on as many threads as there are cores, or as the environment variable
 * RAYON_NUM_THREADS says; they are started once and wait for the next encoder, so do not fork() between two encodings.
 */

#ifndef SPARC_H
#define SPARC_H

/* Generated from the Rust sources by sparc-header: change those. */

#include <stddef.h>
#include <stdint.h>

/**
 * Number of the binary interface. Programs that were compiled with another one must be compiled anew; the shared library has
 * it in its name (libsparc.so.1).
 */
#define SPARC_ABI 1

/**
 * What sparc_info::samples says of a stream that does not tell its length beforehand.
 */
#define SPARC_UNKNOWN UINT64_MAX

/**
 * What a call answers. The numbers stay what they are; up to 6 they are the exit codes of the command `sparc`, and later
 * versions may add others.
 */
enum sparc_error
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * All went well.
     */
    SPARC_OK = 0,
    /**
     * Something went wrong that none of the others names.
     */
    SPARC_ERROR_OTHER = 1,
    /**
     * Options are out of range, or at odds with one another or with the sound.
     */
    SPARC_ERROR_OPTIONS = 2,
    /**
     * The PCM cannot be encoded: no number, far beyond full scale, none at all, a sample rate that is not taken.
     */
    SPARC_ERROR_AUDIO = 3,
    /**
     * The bytes are no sparc stream, break the format, or end too early.
     */
    SPARC_ERROR_STREAM = 4,
    /**
     * A size exceeds a limit; nothing was allocated for it.
     */
    SPARC_ERROR_LIMIT = 5,
    /**
     * A network is missing, damaged, or does not fit.
     */
    SPARC_ERROR_MODEL = 6,
    /**
     * The caller's memory is too small.
     */
    SPARC_ERROR_SPACE = 7,
    /**
     * An argument is NULL, not aligned, or has no meaning.
     */
    SPARC_ERROR_ARGUMENT = 9,
    /**
     * The call may not be made now: bytes after the end, for example.
     */
    SPARC_ERROR_STATE = 10,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum sparc_error sparc_error;
#else
typedef int32_t sparc_error;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What decides how much is kept.
 */
enum sparc_rate
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * 6000 bits a second for every channel; sound so short that it takes more is no error.
     */
    SPARC_RATE_DEFAULT = 0,
    /**
     * sparc_encoding::bitrate for the whole stream: at most that, and as near to it as the sound allows.
     */
    SPARC_RATE_BITRATE = 1,
    /**
     * sparc_encoding::bitrate for every segment, about a second of sound.
     */
    SPARC_RATE_CONSTANT = 2,
    /**
     * sparc_encoding::quality throughout.
     */
    SPARC_RATE_QUALITY = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum sparc_rate sparc_rate;
#else
typedef uint32_t sparc_rate;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * How much time may go into finding the settings that sound best.
 */
enum sparc_effort
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * One setting is tried.
     */
    SPARC_EFFORT_FAST = 0,
    /**
     * A few, each decoded and compared.
     */
    SPARC_EFFORT_DEFAULT = 1,
    /**
     * More.
     */
    SPARC_EFFORT_BEST = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum sparc_effort sparc_effort;
#else
typedef uint32_t sparc_effort;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * A decoder of a stream that arrives in pieces.
 */
typedef struct sparc_decoder sparc_decoder;

/**
 * An encoder of PCM that arrives in pieces.
 */
typedef struct sparc_encoder sparc_encoder;

/**
 * A decoder that lies in memory of the caller's, of a stream that lies in memory as a whole.
 */
typedef struct sparc_fixed sparc_fixed;

/**
 * A network that completes spectrograms, read from a `.sparcmodel` file. The built-in ones need no handle: they are always
 * at hand.
 */
typedef struct sparc_network sparc_network;

/**
 * How to decode. sparc_decoding_init() writes the defaults; then change what should be otherwise.
 */
typedef struct sparc_decoding {
    /**
     * Size of this struct in bytes: leave it as sparc_decoding_init() wrote it.
     */
    size_t size;
    /**
     * Most bytes that a decoder may take, without its network: 64 MiB by default. A stream that needs more is refused with
     * SPARC_ERROR_LIMIT before anything is taken.
     */
    uint64_t memory;
    /**
     * Most samples, of all channels together, that sparc_decode_i16() and its like give out: 2^29 by default.
     */
    uint64_t samples;
    /**
     * Not 0: PCM at the rate it is coded at, the same to the bit on every machine. 0, the default: at the source's rate.
     */
    uint32_t coded_rate;
    /**
     * Not 0: no network at all, whatever the stream asks for; what is missing is interpolated. 0 by default.
     */
    uint32_t interpolate;
    /**
     * Networks at hand, beside those built in and those that streams bring along: as many handles as network_count says.
     * Read during the call that takes these options and not kept. NULL by default.
     */
    const struct sparc_network *const *networks;
    /**
     * How many they are: 0 by default.
     */
    size_t network_count;
} sparc_decoding;

/**
 * What a stream's header says.
 */
typedef struct sparc_info {
    /**
     * Rate of the PCM given out, Hz, from 1000 to 192000; 0 while the header is not known.
     */
    uint32_t rate;
    /**
     * Channels, from 1 to 8; 0 while the header is not known.
     */
    uint32_t channels;
    /**
     * Samples per channel of the whole stream at this rate; SPARC_UNKNOWN if it only tells at its end.
     */
    uint64_t samples;
} sparc_info;

/**
 * What was damaged or lost of a stream so far.
 */
typedef struct sparc_damage {
    /**
     * Places that could not be used: 0 for a stream that is whole.
     */
    uint32_t places;
    /**
     * Segments that were lost and concealed.
     */
    uint32_t concealed;
    /**
     * Segments decoded or concealed.
     */
    uint32_t segments;
    /**
     * What is wrong at the first place, as the specification numbers it (section 3.9); 0 for nothing.
     */
    uint32_t first;
} sparc_damage;

/**
 * How to encode. sparc_encoding_init() writes the defaults; then change what should be otherwise. What the pointers lead to is
 * read during the call that takes these options and not kept.
 */
typedef struct sparc_encoding {
    /**
     * Size of this struct in bytes: leave it as sparc_encoding_init() wrote it.
     */
    size_t size;
    /**
     * One of sparc_rate: SPARC_RATE_DEFAULT by default.
     */
    uint32_t rate;
    /**
     * Bits a second, of all channels together, for SPARC_RATE_BITRATE and SPARC_RATE_CONSTANT.
     */
    uint32_t bitrate;
    /**
     * From 0, the smallest, to 10, the best, for SPARC_RATE_QUALITY.
     */
    float quality;
    /**
     * One of sparc_effort: SPARC_EFFORT_DEFAULT by default.
     */
    uint32_t effort;
    /**
     * Seconds of sound that an encoder may hold before it gives out their bytes; 0 for each segment as soon as it is there.
     * Less than 0, the default: 60 (of more than two channels less) with a bitrate, nothing with a constant rate or quality.
     */
    float delay;
    /**
     * Seconds of a segment, what is lost at once where a stream is damaged, and the delay at a constant rate. 0, the default:
     * 1.024.
     */
    float segment;
    /**
     * Not 0: no network completes the sound. 0 by default.
     */
    uint32_t interpolate;
    /**
     * Not 0: the network's file travels within the stream, on top of the rate. 0 by default.
     */
    uint32_t embed_network;
    /**
     * Not 0: an index of the segments ends the stream, twelve bits or so for each. 0 by default.
     */
    uint32_t seek_index;
    /**
     * The network that completes the sound; NULL, the default, for the built-in one that fits.
     */
    const struct sparc_network *network;
    /**
     * The program that writes the stream, for its comments: UTF-8; NULL, the default, for none.
     */
    const char *vendor;
    /**
     * Comments: as many texts "KEY=value" in UTF-8 as comment_count says. NULL by default.
     */
    const char *const *comments;
    /**
     * How many they are: 0 by default.
     */
    size_t comment_count;
} sparc_encoding;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The words for an error number, in English; for a number that is none: "unknown error". Never NULL, never freed.
 */
const char *sparc_error_text(int32_t code);

/**
 * What went wrong in the last call that failed on this thread, whatever it was called with: one line in UTF-8 that names
 * what and where, cut to 255 bytes. Empty if none has failed. Never NULL; it holds until the next failing call of this
 * thread.
 */
const char *sparc_last_message(void);

/**
 * The library's version, as "0.1.0". Never freed.
 */
const char *sparc_version(void);

/**
 * The number of the library's binary interface: SPARC_ABI, or the program was compiled with another header.
 */
uint32_t sparc_abi(void);

/**
 * Reads the bytes of a `.sparcmodel` file, which are copied, and gives a handle to it, or NULL if it fails. Decoders and encoders
 * that were made with it keep what they need, so that it may be freed at any time. It never changes: several threads may
 * use it at once.
 *
 * SPARC_ERROR_MODEL for bytes that are no usable network, SPARC_ERROR_LIMIT for one that is too large.
 */
sparc_error sparc_network_read(const uint8_t *file,
                               size_t length,
                               struct sparc_network **network);

/**
 * Writes the 8 bytes by which streams name this network to `id`.
 */
sparc_error sparc_network_id(const struct sparc_network *network, uint8_t *id);

/**
 * Frees a network; NULL is none.
 */
void sparc_network_free(struct sparc_network *network);

/**
 * Writes the default options. `size` is sizeof(sparc_decoding), by which the library knows which version of the struct the
 * program was compiled with; SPARC_ERROR_ARGUMENT for one it does not know.
 */
sparc_error sparc_decoding_init(struct sparc_decoding *options,
                                size_t size);

/**
 * Bytes that a decoder takes for a stream that begins with these bytes, without its network and the bytes pushed to it;
 * nothing is taken. What is needed of the stream are its header and, if it brings one along, its network: some hundred
 * bytes, or all that comes before the first segment. options may be NULL.
 *
 * SPARC_ERROR_STREAM if the header is not among the bytes, SPARC_ERROR_MODEL if the network is not at hand,
 * SPARC_ERROR_LIMIT for a stream that no memory would be enough for.
 */
sparc_error sparc_memory_required(const uint8_t *beginning,
                                  size_t length,
                                  const struct sparc_decoding *options,
                                  uint64_t *bytes);

/**
 * Makes a decoder and gives a handle to it, or NULL if it fails; sparc_decoder_free() frees it. options may be NULL and are
 * not kept.
 */
sparc_error sparc_decoder_new(const struct sparc_decoding *options,
                              struct sparc_decoder **decoder);

/**
 * Takes the next bytes of the stream: a copy, so that the caller's may go. What is pushed is held until it is pulled.
 *
 * SPARC_ERROR_STATE after sparc_decoder_finish().
 */
sparc_error sparc_decoder_push(struct sparc_decoder *decoder, const uint8_t *bytes, size_t length);

/**
 * Says that the stream has no more bytes. What has been pushed is yet to be pulled. Said again, it changes nothing.
 */
sparc_error sparc_decoder_finish(struct sparc_decoder *decoder);

/**
 * Rate, channels and length, once the bytes pushed so far hold the header; before, rate and channels are 0.
 *
 * Errors are those of sparc_decoder_pull_i16() that come before the header.
 */
sparc_error sparc_decoder_info(struct sparc_decoder *decoder, struct sparc_info *info);

/**
 * Gives out PCM as 16-bit integers, channels interleaved: as much as there is, up to `capacity` sample frames (one sample of
 * every channel), and how many they are in `frames`. None means that more bytes are needed or, after
 * sparc_decoder_finish(), that this was all.
 *
 * `pcm` has room for capacity x channels samples. `channels` is what sparc_decoder_info() says, so that no stream writes more
 * than the caller expects: SPARC_ERROR_ARGUMENT if it has another number of them. While the header is not known, none are
 * given out.
 *
 * Samples are rounded to the nearest, halves away from zero, and clipped at full scale. Both formats may be pulled in turns.
 *
 * SPARC_ERROR_STREAM, SPARC_ERROR_LIMIT or SPARC_ERROR_MODEL where reading on is pointless, SPARC_ERROR_STREAM also for a
 * stream that is cut short: all later calls answer the same, until sparc_decoder_reset(). Damage is no error: lost segments
 * are concealed, and sparc_decoder_damage() counts them.
 */
sparc_error sparc_decoder_pull_i16(struct sparc_decoder *decoder,
                                   int16_t *pcm,
                                   uint32_t channels,
                                   size_t capacity,
                                   size_t *frames);

/**
 * The same as floats: full scale is 1, and loud sound may exceed it.
 */
sparc_error sparc_decoder_pull_float(struct sparc_decoder *decoder,
                                     float *pcm,
                                     uint32_t channels,
                                     size_t capacity,
                                     size_t *frames);

/**
 * What was damaged or lost so far.
 */
sparc_error sparc_decoder_damage(const struct sparc_decoder *decoder, struct sparc_damage *damage);

/**
 * Back to the start, for another stream with the same options.
 */
sparc_error sparc_decoder_reset(struct sparc_decoder *decoder);

/**
 * What went wrong in the last call on this decoder that failed: one line in UTF-8, empty if none has. It holds until the next
 * failing call on the decoder, its reset or its end. For NULL: empty.
 */
const char *sparc_decoder_message(const struct sparc_decoder *decoder);

/**
 * Frees a decoder; NULL is none.
 */
void sparc_decoder_free(struct sparc_decoder *decoder);

/**
 * Writes the default options. `size` is sizeof(sparc_encoding), by which the library knows which version of the struct the
 * program was compiled with; SPARC_ERROR_ARGUMENT for one it does not know.
 */
sparc_error sparc_encoding_init(struct sparc_encoding *options,
                                size_t size);

/**
 * Makes an encoder for PCM of `rate` Hz (1000 to 192000) and 1 to 8 channels and gives a handle to it, or NULL if it fails;
 * sparc_encoder_free() frees it. options may be NULL and are not kept.
 *
 * SPARC_ERROR_AUDIO for a rate or number of channels that cannot be coded, SPARC_ERROR_LIMIT for too many channels,
 * SPARC_ERROR_OPTIONS for options out of range, SPARC_ERROR_MODEL for a network that does not fit.
 */
sparc_error sparc_encoder_new(uint32_t rate,
                              uint32_t channels,
                              const struct sparc_encoding *options,
                              struct sparc_encoder **encoder);

/**
 * Takes the next `frames` sample frames (one sample of every channel) of 16-bit integers, channels interleaved: a copy. How
 * sound is cut into pushes changes no byte of the stream.
 *
 * SPARC_ERROR_OPTIONS for a bitrate that is too low, after which there is nothing but sparc_encoder_reset() or the end;
 * SPARC_ERROR_STATE after sparc_encoder_finish().
 */
sparc_error sparc_encoder_push_i16(struct sparc_encoder *encoder,
                                   const int16_t *pcm,
                                   size_t frames);

/**
 * The same for floats, full scale 1. SPARC_ERROR_AUDIO for samples that are no numbers or beyond +-16: none of this push is
 * taken then, and others may follow.
 */
sparc_error sparc_encoder_push_float(struct sparc_encoder *encoder,
                                     const float *pcm,
                                     size_t frames);

/**
 * Ends the stream. Its last bytes are yet to be taken; with the default delay, of a clip up to a minute long these are all, and
 * all the work is done here.
 *
 * SPARC_ERROR_AUDIO if there was no sound, SPARC_ERROR_OPTIONS as sparc_encoder_push_i16(), SPARC_ERROR_STATE if it has ended
 * before.
 */
sparc_error sparc_encoder_finish(struct sparc_encoder *encoder);

/**
 * How many bytes are ready to be taken; 0 for NULL.
 */
size_t sparc_encoder_ready(const struct sparc_encoder *encoder);

/**
 * Gives out encoded bytes in their order: as many as are ready, up to `capacity`, and how many they are in `length`. None
 * means that more sound is needed or, after sparc_encoder_finish(), that this was all.
 */
sparc_error sparc_encoder_take(struct sparc_encoder *encoder,
                               uint8_t *bytes,
                               size_t capacity,
                               size_t *length);

/**
 * Segments so far that a constant rate left without all of their background; 0 for NULL.
 */
uint32_t sparc_encoder_starved(const struct sparc_encoder *encoder);

/**
 * Back to the start, for other sound with the same rate, channels and options. Bytes not taken are lost.
 */
sparc_error sparc_encoder_reset(struct sparc_encoder *encoder);

/**
 * What went wrong in the last call on this encoder that failed: one line in UTF-8, empty if none has. It holds until the next
 * failing call on the encoder, its reset or its end. For NULL: empty.
 */
const char *sparc_encoder_message(const struct sparc_encoder *encoder);

/**
 * Frees an encoder; NULL is none.
 */
void sparc_encoder_free(struct sparc_encoder *encoder);

/**
 * Frees what sparc_decode_i16(), sparc_encode_i16() and their like gave; NULL is nothing.
 */
void sparc_free(void *memory);

/**
 * Decodes a whole stream: 16-bit integers, channels interleaved, in memory that sparc_free() frees, or NULL if it fails; their
 * rate, channels and samples per channel in `info`; what was concealed in `damage`, which may be NULL, as may options.
 *
 * SPARC_ERROR_STREAM for bytes that are no stream or are cut short, SPARC_ERROR_LIMIT for one that asks for too much,
 * SPARC_ERROR_MODEL if it needs a network that is not at hand.
 */
sparc_error sparc_decode_i16(const uint8_t *stream,
                             size_t length,
                             const struct sparc_decoding *options,
                             int16_t **pcm,
                             struct sparc_info *info,
                             struct sparc_damage *damage);

/**
 * The same as floats: full scale is 1, and loud sound may exceed it.
 */
sparc_error sparc_decode_float(const uint8_t *stream,
                               size_t length,
                               const struct sparc_decoding *options,
                               float **pcm,
                               struct sparc_info *info,
                               struct sparc_damage *damage);

/**
 * The samples of every channel from `first` on, `count` of them or as many as the stream has, without decoding what comes
 * before; otherwise as sparc_decode_float(). They lie where they do in the whole, and sound as good, but are not the same
 * numbers: phases that a stream does not hold are rebuilt from those before.
 */
sparc_error sparc_decode_range_float(const uint8_t *stream,
                                     size_t length,
                                     uint64_t first,
                                     uint64_t count,
                                     const struct sparc_decoding *options,
                                     float **pcm,
                                     struct sparc_info *info,
                                     struct sparc_damage *damage);

/**
 * Encodes a whole clip of `frames` sample frames (one sample of every channel) of 16-bit integers, channels interleaved, at
 * `rate` Hz: the stream in memory that sparc_free() frees, or NULL if it fails, and its length in bytes. options may be NULL.
 *
 * Errors are those of sparc_encoder_new(), sparc_encoder_push_float() and sparc_encoder_finish().
 */
sparc_error sparc_encode_i16(const int16_t *pcm,
                             size_t frames,
                             uint32_t rate,
                             uint32_t channels,
                             const struct sparc_encoding *options,
                             uint8_t **stream,
                             size_t *length);

/**
 * The same of floats, full scale 1.
 */
sparc_error sparc_encode_float(const float *pcm,
                               size_t frames,
                               uint32_t rate,
                               uint32_t channels,
                               const struct sparc_encoding *options,
                               uint8_t **stream,
                               size_t *length);

/**
 * Bytes of memory that sparc_fixed_init() takes for this stream, wherever they begin. `network` is one that the stream may
 * name, or NULL.
 *
 * Errors are those of sparc_fixed_init() but SPARC_ERROR_SPACE.
 */
sparc_error sparc_fixed_size(const uint8_t *stream,
                             size_t length,
                             const struct sparc_network *network,
                             size_t *size);

/**
 * Makes a decoder in the caller's memory, of sparc_fixed_size() bytes or more, for a stream that lies in memory as a whole, and
 * gives a handle to it, or NULL if it fails. Both memory and stream must stay where they are, untouched, until
 * sparc_fixed_end(); there is nothing else to free. What the memory holds before does not matter.
 *
 * The network is prepared on the heap. From then on until sparc_fixed_end() nothing is allocated and nothing freed.
 *
 * It decodes what sparc_decoder_new() with sparc_decoding::coded_rate does, to the bit, but conceals nothing: damage is an
 * error where it is met.
 *
 * SPARC_ERROR_SPACE if the memory is too small, SPARC_ERROR_STREAM for bytes that are no stream, SPARC_ERROR_LIMIT for one that
 * asks for too much, SPARC_ERROR_MODEL if it names a network that is neither the one given (which may be NULL), nor within the
 * stream, nor built in.
 */
sparc_error sparc_fixed_init(void *memory,
                             size_t size,
                             const uint8_t *stream,
                             size_t length,
                             const struct sparc_network *network,
                             struct sparc_fixed **fixed);

/**
 * Rate, channels and length of what it gives out: those that are coded.
 */
sparc_error sparc_fixed_info(const struct sparc_fixed *fixed, struct sparc_info *info);

/**
 * Gives out the next PCM as 16-bit integers, channels interleaved: `capacity` sample frames, or fewer where the stream ends,
 * and how many they are in `frames`; none after the end. `pcm` and `channels` are as for sparc_decoder_pull_i16().
 *
 * SPARC_ERROR_STREAM for a stream that is damaged, lacks a segment or is cut short: all later calls answer the same.
 */
sparc_error sparc_fixed_pull_i16(struct sparc_fixed *fixed,
                                 int16_t *pcm,
                                 uint32_t channels,
                                 size_t capacity,
                                 size_t *frames);

/**
 * The same as floats: full scale is 1, and loud sound may exceed it.
 */
sparc_error sparc_fixed_pull_float(struct sparc_fixed *fixed,
                                   float *pcm,
                                   uint32_t channels,
                                   size_t capacity,
                                   size_t *frames);

/**
 * What went wrong in the last call on this decoder that failed: as sparc_decoder_message().
 */
const char *sparc_fixed_message(const struct sparc_fixed *fixed);

/**
 * Lets go of the network, and of the memory, which is the caller's again. NULL is none.
 */
void sparc_fixed_end(struct sparc_fixed *fixed);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SPARC_H */
