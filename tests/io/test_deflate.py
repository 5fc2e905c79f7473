import logging
import sys
import zlib

import hypothesis.extra.numpy as npst
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utopya_backend.io.deflate import _TRY_AGAIN_AFTER, Deflater, _compression


def noise(shape, seed=1):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def zeros(shape):
    return np.zeros(shape, np.uint8)


shapes = st.tuples(st.integers(1, 9), st.integers(0, 3000))
chunks_of_a_dataset = shapes.flatmap(
    lambda shape: st.lists(npst.arrays(np.uint8, shape), max_size=3)
)


@given(chunks_of_a_dataset, st.integers(0, 9), st.integers(0, 2**32))
def test_zlib_reads_it(chunks, num_noisy, seed):
    deflater = Deflater()
    for chunk in chunks:
        chunk[:num_noisy] = noise(chunk[:num_noisy].shape, seed)
        assert zlib.decompress(deflater.compress(chunk)) == chunk.tobytes()


@pytest.mark.parametrize("size", [65_534, 65_535, 65_536, 200_000])
def test_noise_larger_than_a_stored_block(size):
    chunk = noise((2, size))
    compressed = Deflater().compress(chunk)
    assert zlib.decompress(compressed) == chunk.tobytes()
    assert len(compressed) <= chunk.size + 100


def test_noise_is_stored_and_the_rest_compressed():
    chunk = np.concatenate([noise((6, 30_000)), zeros((2, 30_000))])
    assert 180_000 < len(Deflater().compress(chunk)) < 180_500


def test_what_is_noise_no_longer_is_compressed_at_once():
    deflater = Deflater()
    deflater.compress(noise((8, 30_000)))
    assert len(deflater.compress(zeros((8, 30_000)))) < 1000


def test_a_chunk_that_is_not_full_is_compressed():
    deflater = Deflater()
    deflater.compress(noise((8, 30_000)))
    chunk = zeros((8, 30_000))
    chunk[:, :300] = noise((8, 300))
    assert len(deflater.compress(chunk)) < 4000


def test_new_noise_is_found_after_a_while():
    deflater = Deflater()
    deflater.compress(zeros((8, 3000)))
    for _ in range(_TRY_AGAIN_AFTER):
        compressed = deflater.compress(noise((8, 3000)))
    stored = noise((8, 3000))[0].tobytes()
    assert compressed[7:].startswith(stored)  # after two headers: of the stream, block


@pytest.fixture
def without_isal(monkeypatch):
    monkeypatch.setitem(sys.modules, "isal", None)
    _compression.cache_clear()
    yield
    _compression.cache_clear()


@pytest.mark.usefixtures("without_isal")
def test_without_isal(caplog):
    chunk = np.concatenate([noise((6, 30_000)), zeros((2, 30_000))])
    with caplog.at_level(logging.WARNING):
        compressed = [Deflater().compress(chunk) for _ in range(2)]
    assert [zlib.decompress(stream) for stream in compressed] == 2 * [chunk.tobytes()]
    (message,) = caplog.messages  # once
    assert "pip install isal" in message
