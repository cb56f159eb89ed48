"""Python's global lock is not held while the codec works."""

from __future__ import annotations

import multiprocessing
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Iterator

import numpy as np
import pytest
from conftest import tone
from numpy.typing import NDArray

import sparc

Floats = NDArray[np.float32]
SOUND = tone(4.0)
STREAM = sparc.encode(SOUND, 16_000, effort="fast")


@pytest.fixture
def no_switches() -> Iterator[None]:
    """No thread is interrupted: another one runs only when the lock is given up."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1_000)
    yield
    sys.setswitchinterval(usual)


def streamed() -> None:
    decoder = sparc.Decoder()
    decoder.push(STREAM)
    decoder.finish()
    decoder.pull()


def pushed() -> None:
    sparc.Encoder(16_000, delay=0).push(SOUND)


@pytest.mark.parametrize(
    "work",
    [
        lambda: sparc.decode(STREAM),
        lambda: sparc.decode(STREAM, 1_000, 50_000),
        lambda: sparc.encode(SOUND, 16_000, effort="fast"),
        lambda: sparc.inspect(STREAM),
        streamed,
        pushed,
    ],
    ids=["decode", "part", "encode", "inspect", "Decoder", "Encoder"],
)
def test_other_threads_count_on(no_switches: None, work: Callable[[], Any]) -> None:
    count = 0
    ended = False

    def counting() -> None:
        nonlocal count
        while not ended:
            count += 1
            time.sleep(0)

    counter = threading.Thread(target=counting)
    counter.start()
    try:
        # If the lock were held, the count could not change from before the call to behind it. As it is not, how soon
        # the other thread is woken is up to the system, so it is given more than one chance.
        for _ in range(50):
            before = count
            work()
            if count > before:
                break
        else:
            pytest.fail("no other thread ran in any of 50 calls")
    finally:
        ended = True
        counter.join()


def test_two_decode_at_once(no_switches: None) -> None:
    expected, _ = sparc.decode(STREAM)
    inside = 0
    most = 0

    def decode() -> bool:
        nonlocal inside, most
        inside += 1
        # Nothing else runs between here and where the lock is given up, so whoever is counted is in the decoder.
        most = max(most, inside)
        found, _ = sparc.decode(STREAM)
        inside -= 1
        return np.array_equal(found, expected)

    with ThreadPoolExecutor(2) as pool:
        for _ in range(50):
            assert all(pool.map(lambda _: decode(), range(2)))
            if most == 2:
                break
    assert most == 2


def test_threads_take_turns_with_one_decoder() -> None:
    # Whatever thread pulls, each block is given out once.
    decoder = sparc.Decoder()
    decoder.push(STREAM)
    decoder.finish()
    with ThreadPoolExecutor(4) as pool:
        lengths = pool.map(lambda _: sum(map(len, decoder)), range(4))
        assert sum(lengths) == len(SOUND)


def test_threads_take_turns_with_one_encoder() -> None:
    encoder = sparc.Encoder(16_000, delay=0)
    with ThreadPoolExecutor(4) as pool:
        pieces = list(pool.map(encoder.push, np.split(SOUND, 8)))
    # In which order they come is theirs to say; none is lost.
    assert sum(map(len, pieces)) > 0
    encoder.finish()


def test_many_encode_at_once() -> None:
    expected = sparc.encode(SOUND[:16_000], 16_000)
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda _: sparc.encode(SOUND[:16_000], 16_000), range(8))
        assert all(stream == expected for stream in found)


def encoded(queue: Any) -> None:
    queue.put(sparc.encode(SOUND[:16_000], 16_000))


@pytest.mark.skipif(sys.platform == "win32", reason="no fork here")
def test_a_forked_process_encodes() -> None:
    # The parent has threads by now, which a fork does not take along.
    expected = sparc.encode(SOUND[:16_000], 16_000)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=encoded, args=(queue,))
    child.start()
    try:
        assert queue.get(timeout=120) == expected
    finally:
        child.kill()
        child.join()
