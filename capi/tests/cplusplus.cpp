// The header is C++, too: cplusplus STREAM
#include <sparc.h>

#include <cstdio>
#include <memory>
#include <type_traits>
#include <vector>

static_assert(std::is_same<std::underlying_type<sparc_error>::type, int32_t>::value, "an int32_t, as in C");
static_assert(SPARC_ABI >= 1, "begins with 1");

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    std::unique_ptr<std::FILE, int (*)(std::FILE *)> in(std::fopen(argv[1], "rb"), std::fclose);
    sparc_decoder *made = nullptr;
    if (!in || sparc_decoder_new(nullptr, &made) != SPARC_OK)
        return 2;
    std::unique_ptr<sparc_decoder, void (*)(sparc_decoder *)> decoder(made, sparc_decoder_free);
    std::vector<unsigned char> bytes(1 << 16);
    bytes.resize(std::fread(bytes.data(), 1, bytes.size(), in.get()));
    sparc_info info;
    if (sparc_decoder_push(decoder.get(), bytes.data(), bytes.size()) != SPARC_OK ||
        sparc_decoder_finish(decoder.get()) != SPARC_OK || sparc_decoder_info(decoder.get(), &info) != SPARC_OK)
        return 1;
    std::vector<int16_t> pcm(std::size_t(1000) * info.channels);
    std::size_t frames = 0, all = 0;
    do {
        if (sparc_decoder_pull_i16(decoder.get(), pcm.data(), info.channels, 1000, &frames) != SPARC_OK) {
            std::fprintf(stderr, "%s\n", sparc_last_message());
            return 1;
        }
        all += frames;
    } while (frames > 0);
    std::printf("cplusplus: %zu samples per channel\n", all);
    return all > 0 && (info.samples == SPARC_UNKNOWN || info.samples == all) ? 0 : 1;
}
