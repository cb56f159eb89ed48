#!/bin/sh
# Makes the clips of this folder from nothing: espeak-ng speaks, ffmpeg mixes, resamples and writes.
# The clips are committed, so that nobody needs to run this; it says how they came about.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

quiet="ffmpeg -v error -nostdin -y"
pcm="-ar 16000 -ac 1 -c:a pcm_s16le -bitexact"

# Speech, a deep voice and a high one.
espeak-ng -v en-gb+m3 -s 150 -p 40 -w "$work/low.wav" \
  "The quick transform keeps a few bright ridges and lets the small network imagine the rest."
espeak-ng -v en-us+f3 -s 155 -p 62 -w "$work/high.wav" \
  "She measured every sample twice, then whispered the answer to the sea."
$quiet -i "$work/low.wav" -af "volume=-3dB" $pcm speech-low.wav
$quiet -i "$work/high.wav" -af "volume=-3dB" $pcm speech-high.wav

# The high voice in pink noise, 15 dB or so below it.
$quiet -i speech-high.wav -filter_complex \
  "anoisesrc=color=pink:amplitude=0.05:sample_rate=16000:seed=7[n];[0][n]amix=inputs=2:duration=first:normalize=0" \
  $pcm speech-noise.wav

# A tone from 100 Hz to 7 kHz in 3 s, exponentially: sin(2 pi f0 T / ln(r) (r^(t/T) - 1)), r = f1 / f0.
$quiet -f lavfi -i "aevalsrc='0.4*sin(2*PI*100*3/log(70)*(pow(70,t/3)-1))':s=16000:d=3" $pcm sweep.wav

# Both voices, one in each ear, at 44.1 kHz.
$quiet -i "$work/low.wav" -i "$work/high.wav" -filter_complex \
  "[0]aresample=44100,apad,atrim=0:3[l];[1]aresample=44100,apad,atrim=0:3[r];[l][r]join=inputs=2:channel_layout=stereo" \
  -c:a flac -compression_level 8 -sample_fmt s16 -bitexact stereo-44k.flac
ls -l -- *.wav *.flac
