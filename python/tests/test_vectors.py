"""The streams that pin the format give the samples, or the faults, that their manifest says."""

from __future__ import annotations

import hashlib
import warnings

import pytest
from conftest import ROOT

import sparc

VECTORS = ROOT / "spec" / "vectors"
LINES = [line.split("\t") for line in (VECTORS / "MANIFEST.tsv").read_text().splitlines()[1:]]

#: By the numbers of faults.
KINDS = {"error 5": sparc.LimitError, "error 6": sparc.ModelError}


@pytest.mark.parametrize(("name", "sound"), [(line[0], line[-1]) for line in LINES], ids=[line[0] for line in LINES])
def test_a_vector_sounds_as_it_must(name: str, sound: str) -> None:
    data = (VECTORS / name).read_bytes()
    if sound.startswith("error"):
        with pytest.raises(KINDS.get(sound, sparc.StreamError)):
            sparc.decode(data, resample=False)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sparc.DamageWarning)
        samples, _ = sparc.decode(data, resample=False)
    assert hashlib.sha256(samples.astype("<f4").tobytes()).hexdigest() == sound
    decoder = sparc.Decoder(resample=False)
    pulled = hashlib.sha256()
    for byte in data:
        decoder.push(bytes([byte]))
        for block in decoder:
            pulled.update(block.astype("<f4").tobytes())
    decoder.finish()
    for block in decoder:
        pulled.update(block.astype("<f4").tobytes())
    assert pulled.hexdigest() == sound
