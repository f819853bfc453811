"""Probabilities, range coding and the whole-number hyper-decoder of the image codec."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from seriatim_errors import DataError, TrainingError
from tests.vision_components import range_coder_oracle
from tests.vision_components.coded import TINY, tiny_codec
from vision_components.codec.bitstream import symbol_check
from vision_components.codec.density import (
    SCALES,
    FactorisedDensity,
    bits,
    normal_likelihood,
    scales_at,
)
from vision_components.codec.entropy_tables import PRECISION, TAIL, EntropyTable, density_table, normal_table
from vision_components.codec.fixed_point import (
    FIRST_PLACE,
    PLACES_PER_UNIT,
    VALUE_BITS,
    FixedPointHyperDecoder,
)
from vision_components.codec.networks import hyper_synthesis
from vision_components.codec.range_coding import LARGEST_SYMBOL, decode_symbols, encode_symbols

NORMAL = normal_table()
CONTENT = "e4f24ffb3bc0dc7ff6a0af64e7ce5682ac5fe39f91b650349597bb1ad76f32fafcbf4ec1a46a7ab1934293741a7e4856a22e"
SIDE_CHECKS = (1259719892, 2554565537)


def rows_of(table):
    starts = np.flatnonzero(table.lookup == -PRECISION)
    return [row.tolist() for row in np.split(table.lookup, starts[1:])]


def learned(channels=5, seed=3):
    """A density whose channels differ in place and spread."""
    tf.keras.utils.set_random_seed(seed)
    density = FactorisedDensity()
    density.build((None, channels))
    rng = np.random.default_rng(seed)
    density.set_weights([value + rng.normal(0, 0.5, value.shape) for value in density.get_weights()])
    return density


def test_a_learned_density_sums_to_one_over_whole_numbers():
    density = learned()
    everything = np.repeat(np.arange(-3000, 3001, dtype=np.float32)[:, None], 5, axis=1)
    likelihoods = density(everything).numpy()
    assert likelihoods.min() >= 0
    assert likelihoods.max() <= 1
    np.testing.assert_allclose(likelihoods.astype(np.float64).sum(axis=0), 1, atol=1e-4)


@pytest.mark.parametrize("shift", [0.0, 0.37, -2.5])
def test_a_normal_density_sums_to_one_over_whole_numbers_at_every_scale(shift):
    values = np.arange(-2000, 2001, dtype=np.float32)[:, None]
    likelihoods = normal_likelihood(values, shift, SCALES.astype(np.float32)).numpy()
    assert likelihoods.min() >= 0
    assert likelihoods.max() <= 1
    np.testing.assert_allclose(likelihoods.astype(np.float64).sum(axis=0), 1, atol=1e-4)


def test_no_likelihood_costs_negative_bits_and_an_impossible_value_costs_few():
    rng = np.random.default_rng(0)
    noisy = rng.normal(0, 3, (200, 5)).astype(np.float32)
    assert float(bits(learned()(noisy))) > 0
    assert float(bits(normal_likelihood(tf.constant([1e4]), 0.0, 0.11))) == pytest.approx(-np.log2(1e-9), abs=1e-3)


def test_scales_run_evenly_in_their_logarithm_and_stop_at_both_ends():
    places = tf.constant([-3.0, 0.0, 31.5, 63.0, 70.0])
    expected = [0.11, 0.11, np.sqrt(0.11 * 256), 256, 256]
    np.testing.assert_allclose(scales_at(places).numpy(), expected, rtol=1e-5)
    np.testing.assert_allclose(scales_at(tf.range(64.0)).numpy(), SCALES, rtol=1e-5)


@pytest.mark.parametrize(("place", "towards", "moves"), [(70.0, 1.0, True), (70.0, -1.0, False), (-5.0, -1.0, True)])
def test_a_place_beyond_the_table_is_only_drawn_back_into_it(place, towards, moves):
    variable = tf.Variable(place)
    with tf.GradientTape() as tape:
        loss = towards * scales_at(variable)
    assert bool(tape.gradient(loss, variable) != 0) == moves


def masses_of(table, row):
    """Probabilities of a row's symbols, the escape last."""
    return np.diff(rows_of(table)[row][1:]) / 2**PRECISION


def test_a_table_holds_the_probabilities_of_its_normal_distribution():
    for row, scale in enumerate(SCALES):
        masses = masses_of(NORMAL, row)
        values = np.arange(len(masses) - 1, dtype=np.float32) + NORMAL.lowest[row]
        expected = normal_likelihood(values, 0.0, np.float32(scale)).numpy()
        # Counts are of 1 / 65536, and what the least of them take is taken from others.
        np.testing.assert_allclose(masses[:-1], expected, atol=3e-5)
        assert masses.min() > 0
        assert masses.sum() == pytest.approx(1, abs=1e-12)
        assert masses[-1] <= TAIL + 2e-3 * (scale > 100)


def test_a_table_holds_the_probabilities_of_its_learned_density():
    density = learned()
    table = density_table(density, 5)
    for channel in range(5):
        masses = masses_of(table, channel)
        values = np.repeat((np.arange(len(masses) - 1.0) + table.lowest[channel])[:, None], 5, axis=1)
        expected = density(values.astype(np.float32)).numpy()[:, channel]
        np.testing.assert_allclose(masses[:-1], expected, atol=5e-5)
        assert masses[-1] <= TAIL + 1e-3


@given(
    st.lists(st.tuples(st.sampled_from([0, 5, 20, 40]), st.integers(-70, 70)), min_size=1, max_size=60),
    st.sampled_from([0, 3000, -3000, LARGEST_SYMBOL, -LARGEST_SYMBOL]),
)
@settings(max_examples=60)
def test_the_library_reads_what_the_oracle_writes_and_the_other_way_round(coded, far):
    rows = np.array([row for row, _ in coded] + [20], np.int32)
    values = np.array([value for _, value in coded] + [far], np.int32)
    content = encode_symbols(values, rows, NORMAL)
    np.testing.assert_array_equal(decode_symbols(content, rows, NORMAL), values)
    plain, shifted = [rows_of(NORMAL)[row] for row in rows], (values - NORMAL.lowest[rows]).tolist()
    assert range_coder_oracle.decode(content, plain) == shifted
    written = range_coder_oracle.encode(shifted, plain)
    np.testing.assert_array_equal(decode_symbols(written, rows, NORMAL), values)
    assert len(written) - 4 <= len(content) <= len(written)


def test_a_value_beyond_what_the_coder_can_hold_is_refused():
    with pytest.raises(DataError, match="beyond 16777216"):
        encode_symbols(np.array([LARGEST_SYMBOL + 1], np.int32), np.zeros(1, np.int32), NORMAL)


@pytest.mark.parametrize("content", [b"", b"\x00" * 8, b"\xff" * 8, b"\xff\xff" + b"\x00" * 30])
def test_any_bytes_are_decoded_in_bounded_time(content):
    # A row with nothing but the escape, behind which zeros without end would be a number without end.
    table = EntropyTable(np.array([-16, 0, 65536], np.int32), np.array([0], np.int32))
    assert decode_symbols(content, np.zeros(500, np.int32), table).shape == (500,)
    rows = np.random.default_rng(0).integers(0, 64, 500).astype(np.int32)
    assert decode_symbols(content, rows, NORMAL).shape == (500,)


def test_bytes_are_within_one_per_cent_of_the_information():
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 64, 200_000).astype(np.int32)
    values = np.rint(rng.normal(0, SCALES[rows])).astype(np.int32)
    likelihoods = normal_likelihood(values.astype(np.float32), 0.0, SCALES[rows].astype(np.float32))
    assert 8 * len(encode_symbols(values, rows, NORMAL)) == pytest.approx(float(bits(likelihoods)), rel=0.01)


def test_latents_of_little_information_cost_little():
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 12, 200_000).astype(np.int32)
    values = np.rint(rng.normal(0, SCALES[rows])).astype(np.int32)
    likelihoods = normal_likelihood(values.astype(np.float32), 0.0, SCALES[rows].astype(np.float32))
    assert 8 * len(encode_symbols(values, rows, NORMAL)) == pytest.approx(float(bits(likelihoods)), rel=0.01)


def floating(network, hyper):
    means, places = np.split(network(hyper[None].astype(np.float32)).numpy()[0], 2, axis=-1)
    return means, FIRST_PLACE + PLACES_PER_UNIT * places


def hyper_decoder(seed=0, spread=1.0):
    tf.keras.utils.set_random_seed(seed)
    network = hyper_synthesis(TINY)
    network.set_weights([value * spread for value in network.get_weights()])
    return network, FixedPointHyperDecoder.of(network)


def test_whole_numbers_say_what_the_floating_network_says():
    network, whole = hyper_decoder()
    hyper = np.random.default_rng(1).integers(-20, 20, (3, 2, TINY.hyper_encoder[-1])).astype(np.int32)
    means, places = floating(network, hyper)
    said = whole(hyper)
    assert said.means.shape == (12, 8, TINY.latents)
    np.testing.assert_allclose(said.values, means, atol=3 / 2**VALUE_BITS)
    np.testing.assert_allclose(said.rows, np.clip(places, 0, 63), atol=0.6)


def exact(whole, hyper):
    """The network again in Python's whole numbers, which have no size: input by input, in a random order."""
    rng = np.random.default_rng(5)
    values = hyper.astype(object) * 2**VALUE_BITS
    for kernel, bias, stride in zip(whole.kernels, whole.biases, (2, 2, 1), strict=True):
        height, width = (side * stride for side in values.shape[:2])
        outputs = len(bias)
        sums = np.zeros((height, width, outputs), object) + np.array([int(one) for one in bias], object)
        taps = [(place, tap) for place in np.ndindex(values.shape) for tap in np.ndindex(kernel.shape[:2])]
        for number in rng.permutation(len(taps)):
            (row, column, channel), (down, right) = taps[number]
            if stride == 2:
                target = 2 * row + down - 1, 2 * column + right - 1
                weights = kernel[down, right, :, channel]
            else:
                target = row + 1 - down, column + 1 - right
                weights = kernel[down, right, channel]
            if 0 <= target[0] < height and 0 <= target[1] < width:
                step = [values[row, column, channel] * int(weight) for weight in weights]
                sums[target] += np.array(step, object)
        values = (sums + 2**13) // 2**14
        if stride == 2:
            values = np.maximum(values, 0)
    return np.split(values, 2, axis=-1)


def test_the_order_of_additions_does_not_matter():
    _, whole = hyper_decoder(2, 3.0)
    hyper = np.random.default_rng(2).integers(-300, 300, (2, 1, TINY.hyper_encoder[-1])).astype(np.int32)
    means, places = exact(whole, hyper)
    said = whole(hyper)
    assert (said.means == means.astype(np.int64)).all()
    rows = np.clip((FIRST_PLACE * 256 + PLACES_PER_UNIT * places + 128) // 256, 0, 63)
    assert (said.rows == rows.astype(np.int64)).all()


def test_a_small_change_of_a_floating_network_would_change_a_mean_that_is_rounded_to_a_grid():
    # Why rounding to a grid is not enough, in figures: some of a picture's means lie at an edge of the grid.
    network, _ = hyper_decoder(0)
    hyper = np.random.default_rng(0).integers(-20, 20, (24, 16, TINY.hyper_encoder[-1])).astype(np.int32)
    means, _ = floating(network, hyper)
    moved = means + np.float32(1e-5) * np.random.default_rng(1).choice([-1, 1], means.shape).astype(np.float32)
    assert (np.rint(means * 16) != np.rint(moved * 16)).any()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda arrays: arrays.update(kernel_0=arrays["kernel_0"] + 0.5), "whole numbers"),
        (lambda arrays: arrays.update(kernel_1=arrays["kernel_1"] * 1e9), "too large"),
        (lambda arrays: arrays.update(bias_2=arrays["bias_2"][:-1]), "do not follow"),
        (lambda arrays: arrays.update(bias_0=arrays["bias_0"] * np.nan), "whole numbers"),
    ],
)
def test_a_hyper_decoder_whose_sums_might_not_be_exact_is_refused(change, words):
    arrays = tiny_codec().entropy.hyper_decoder.arrays()
    change(arrays)
    with pytest.raises(DataError, match=words):
        FixedPointHyperDecoder.from_arrays(arrays)


def test_weights_that_are_no_numbers_are_refused():
    network, _ = hyper_decoder()
    network.set_weights([value * np.nan for value in network.get_weights()])
    with pytest.raises(TrainingError, match="no numbers"):
        FixedPointHyperDecoder.of(network)


def counted(*shape, largest):
    """Whole numbers from -largest to largest in an order without a pattern."""
    return (np.arange(np.prod(shape), dtype=np.int64) * 7919 % (2 * largest + 1) - largest).reshape(shape)


def test_files_of_version_one_stay_readable():
    # What every machine and every later release must find: the figures are those of the first.
    table = EntropyTable(np.array([-4, 0, 5, 9, 14, 16, -3, 0, 7, 8], np.int32), np.array([-2, 0], np.int32))
    values, rows = counted(60, largest=6).astype(np.int32), (np.arange(60) % 2).astype(np.int32)
    content = encode_symbols(values, rows, table)
    assert content.hex() == CONTENT
    np.testing.assert_array_equal(decode_symbols(bytes.fromhex(CONTENT), rows, table), values)
    kernels = [counted(*shape, largest=9000) for shape in ((5, 5, 4, 3), (5, 5, 5, 4), (3, 3, 5, 4))]
    biases = [counted(width, largest=2**21) for width in (4, 5, 4)]
    arrays = {f"{kind}_{place}": one.astype(float) for kind, all_ in (("kernel", kernels), ("bias", biases))
              for place, one in enumerate(all_)}  # fmt: skip
    said = FixedPointHyperDecoder.from_arrays(arrays)(counted(3, 4, 3, largest=9).astype(np.int32))
    assert (symbol_check(said.means), symbol_check(said.rows)) == SIDE_CHECKS
    assert len(np.unique(said.rows)) > 5
