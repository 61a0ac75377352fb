"""One seed, one place: random.py."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_cnn import random
from tinygrad_cnn.errors import ArgumentError, DtypeError


@given(st.integers(-(2**63), 2**64 - 1), st.integers(0, 9))
def test_a_state_survives_json(seed, draws):
    generator = random.Generator(seed)
    generator.numpy.integers(100, size=draws, dtype=np.uint32)  # odd counts leave half a word behind
    state = json.loads(json.dumps(generator.get_state()))
    expected = generator.numpy.integers(100, size=5, dtype=np.uint32)
    other = random.Generator()
    other.set_state(state)
    assert (other.numpy.integers(100, size=5, dtype=np.uint32) == expected).all()


@given(st.integers(-(2**63), 2**64 - 1))
def test_seeding_again_repeats_and_keeps_the_object(seed):
    generator = random.Generator()
    numpy_generator = generator.numpy
    assert generator.manual_seed(seed) is generator
    first = generator.numpy.random(4)
    generator.manual_seed(np.int64(seed) if seed < 2**63 else seed)
    assert (numpy_generator.random(4) == first).all()
    assert (random.Generator(seed).numpy.random(4) == first).all()


def test_the_global_generator_is_seeded_saved_and_restored():
    random.manual_seed(5)
    state = random.get_rng_state()
    a = random.default_generator().random(3)
    random.set_rng_state(state)
    b = random.default_generator().random(3)
    random.manual_seed(5)
    assert (a == b).all() and (random.default_generator().random(3) == a).all()


@pytest.mark.parametrize("seed", [1.0, "1", None])
def test_a_seed_is_an_integer(seed):
    with pytest.raises(DtypeError, match="must be an integer"):
        random.manual_seed(seed)


def damaged_states():
    good = random.Generator(0).get_state()
    yield from ({}, [], None, good | {"algorithm": "MT19937"}, good | {"state": 5}, good | {"state": "0xzz"})
    yield from (good | {"inc": "-0x1"}, good | {"state": hex(2**128)}, good | {"uinteger": 2**32})
    yield good | {"has_uint32": 2}


@pytest.mark.parametrize("state", list(damaged_states()))
def test_a_damaged_state_is_refused_and_changes_nothing(state):
    generator = random.Generator(3)
    before = generator.get_state()
    with pytest.raises(ArgumentError, match="get_state"):
        generator.set_state(state)
    assert generator.get_state() == before


def test_seeded_replaces_the_default_in_its_block_and_thread_only():
    outer = random.default_generator()
    seen = []
    with random.seeded(1) as one:
        assert random.default_generator() is one
        thread = threading.Thread(target=lambda: seen.append(random.default_generator()))
        thread.start()
        thread.join()
        with pytest.raises(KeyError), random.seeded(1, 0) as two:
            assert random.default_generator() is two is not one
            raise KeyError
        assert random.default_generator() is one
    assert random.default_generator() is outer
    assert seen == [outer]


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=3))
def test_seeds_and_their_continuations_differ(seeds):
    with random.seeded(*seeds) as a, random.seeded(*seeds) as b, random.seeded(*seeds, 0) as c:
        draws = [g.integers(2**62, size=2).tolist() for g in (a, b, c)]
    assert draws[0] == draws[1] != draws[2]


def test_generator_arguments():
    generator = random.Generator(0)
    assert random.numpy_generator(generator) is generator.numpy
    assert random.numpy_generator(generator.numpy) is generator.numpy
    assert random.numpy_generator(None) is random.default_generator()
    with pytest.raises(DtypeError, match="use Generator"):
        random.numpy_generator(7)


def test_threads_may_draw_while_it_is_seeded():
    generator = random.Generator(0)
    failures = []

    def work():
        try:
            for _ in range(200):
                generator.numpy.random(10)
                generator.set_state(generator.get_state())
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
