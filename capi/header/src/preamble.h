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
