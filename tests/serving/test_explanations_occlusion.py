"""What a place hangs on: held against a network written as a formula, one question at a time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.explanations import occlude
from serving.runtime.seq2slate import Seq2Slate
from tests.pointer_graphs import PLANTED, planted_logits, planted_pointer

STEPS = 4
QUALITY, WANTS, GIVES, FOLLOWS, LEADS = range(1, 6)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return Seq2Slate(planted_pointer(tmp_path_factory.mktemp("planted") / "model.onnx", STEPS), STEPS, 50)


def items(count, seed=0, hour=0.25):
    features = np.random.default_rng(seed).normal(size=(count, len(PLANTED))).astype(np.float32)
    features[:, 0] = hour
    return features


def log_softmax(logits):
    return logits - np.logaddexp.reduce(logits)


def told(features, above, item, absent=(), temperature=1.0):
    """Log-probability of `item` after `above`, of what is neither above nor in `absent`, whatever the network reads."""
    left = [row for row in range(len(features)) if row not in above and row not in absent]
    return log_softmax(planted_logits(features, above)[left] / temperature)[left.index(item)]


def best(features, steps=STEPS):
    slate = []
    for _ in range(min(steps, len(features))):
        logits = planted_logits(features, slate)
        logits[slate] = -np.inf
        slate.append(int(np.argmax(logits)))
    return slate


def place(slate, item):
    return slate.index(item) + 1 if item in slate else None


@settings(deadline=None, max_examples=30)
@given(
    count=st.integers(1, 9), seed=st.integers(0, 10**6), temperature=st.sampled_from([1.0, 0.5]), drawn=st.booleans()
)
def test_every_number_is_what_one_question_at_a_time_gives(model, count, seed, temperature, drawn):
    features = items(count, seed)
    slate = best(features)
    if drawn:
        slate = np.random.default_rng(seed).permutation(count)[: len(slate)].tolist()
    found = occlude(
        model, features, np.array(slate), range(len(slate)), context_count=1, temperature=temperature,
        context_reference=np.zeros(1, np.float32), compare_places=not drawn,
    )  # fmt: skip
    mean = features.astype(np.float64).mean(axis=0)
    for step, one in enumerate(found):
        item, above = slate[step], slate[:step]
        own = told(features, above, item, temperature=temperature)
        assert (one.row, one.place, one.places_compared) == (item, step + 1, not drawn)
        assert one.log_probability == pytest.approx(own, abs=1e-4)
        assert sorted(other.row for other in one.neighbours) == [row for row in range(count) if row != item]
        for other in one.neighbours:
            kept = [row for row in range(count) if row != other.row]
            without, shorter = features[kept], [kept.index(row) for row in above if row != other.row]
            left_out = told(without, shorter, kept.index(item), temperature=temperature)
            alike = told(features, above, item, absent=(other.row,), temperature=temperature)
            assert other.context == pytest.approx(alike - left_out, abs=2e-4)
            assert other.competition == pytest.approx(own - alike, abs=2e-4)
            if not drawn:
                assert other.place_without == place(best(without), kept.index(item))
                assert other.place_with == place([row for row in slate if row != other.row], item)
        assert sorted(feature.column for feature in one.features) == ([0] if count == 1 else list(range(6)))
        for feature in one.features:
            levelled, alone = features.copy(), features.copy()
            levelled[:, feature.column] = mean[feature.column] if feature.column else 0.0
            alone[item, feature.column] = mean[feature.column]
            changed = own - told(levelled, above, item, temperature=temperature)
            assert feature.everywhere == pytest.approx(changed, abs=2e-4)
            if feature.column:
                changed = own - told(alone, above, item, temperature=temperature)
                assert feature.item == pytest.approx(changed, abs=2e-4)
            else:
                assert feature.item is None
            if not drawn:
                assert feature.place_everywhere == place(best(levelled), item)
                assert feature.place_item == (place(best(alone), item) if feature.column else None)


def test_a_place_that_hangs_on_one_neighbour_names_it_alone(model):
    features = items(8, seed=5)
    features[:, WANTS:] = 0
    wishing, giving = int(np.argsort(features[:, QUALITY])[5]), int(np.argmin(features[:, QUALITY]))
    features[wishing, WANTS], features[giving, GIVES] = 2.0, 3.0
    assert best(features)[0] == wishing
    [one] = occlude(model, features, np.array(best(features)), [0], context_count=1)
    effects = {other.row: other.context for other in one.neighbours}
    assert effects.pop(giving) > 1.0
    assert max(map(abs, effects.values())) < 1e-5
    [named] = [other for other in one.neighbours if other.row == giving]
    without = best(np.delete(features, giving, 0))
    assert (named.place_with, named.place_without) == (1, place(without, wishing - (wishing > giving)))
    assert named.place_without > 1


def test_a_place_that_hangs_on_an_item_above_names_that_one(model):
    features = items(8, seed=7)
    features[:, WANTS:] = 0
    first = int(np.argmax(features[:, QUALITY]))
    follower = int(np.argmin(features[:, QUALITY]))
    features[follower, FOLLOWS], features[first, LEADS] = 2.0, 3.0
    slate = best(features)
    assert slate[:2] == [first, follower]
    [one] = occlude(model, features, np.array(slate), [1], context_count=1)
    effects = {other.row: other for other in one.neighbours}
    named = effects.pop(first)
    assert named.context > 3.0
    assert named.competition == 0.0
    assert (named.place_with, named.place_without) == (1, None)
    assert max(abs(other.context) for other in effects.values()) < 1e-5


def test_a_network_that_scores_items_one_by_one_has_no_context(model):
    features = items(9, seed=2)
    features[:, WANTS:] = 0
    slate = best(features)
    for one in occlude(model, features, np.array(slate), range(STEPS), context_count=1):
        assert max(abs(other.context) for other in one.neighbours) < 1e-5
        competition = [other.competition for other in one.neighbours]
        assert competition == sorted(competition)
        waiting = [other for other in one.neighbours if other.row not in slate[: one.place]]
        assert all(other.competition < 0 for other in waiting)
        assert {feature.column for feature in one.features} == {QUALITY}


def test_one_step_decoding_is_explained_by_the_first_logits(model):
    features = items(7, seed=3)
    logits = planted_logits(features, [])
    order = np.argsort(-logits, kind="stable")
    found = occlude(model, features, order, range(7), context_count=1, one_step=True)
    for step, one in enumerate(found):
        assert one.log_probability == pytest.approx(log_softmax(logits)[order[step]], abs=1e-4)
        for other in one.neighbours:
            kept = [row for row in range(7) if row != other.row]
            without = planted_logits(features[kept], [])
            alike = log_softmax(logits[kept])[kept.index(one.row)]
            assert other.context == pytest.approx(alike - log_softmax(without)[kept.index(one.row)], abs=2e-4)
            assert other.place_without == place(np.argsort(-without, kind="stable").tolist(), kept.index(one.row))
            assert other.place_with == place([row for row in order if row != other.row], one.row)


def test_the_largest_effects_are_kept_the_largest_first(model):
    features = items(9, seed=4)
    arguments = (model, features, np.array(best(features)), [2])
    [everything] = occlude(*arguments, context_count=1)
    [cut] = occlude(*arguments, context_count=1, most=3)
    assert (cut.neighbours, cut.features) == (everything.neighbours[:3], everything.features[:3])
    context = [round(abs(other.context), 4) for other in everything.neighbours]
    assert context == sorted(context, reverse=True)
    sizes = [round(max(abs(feature.item), abs(feature.everywhere)), 4) for feature in everything.features]
    assert sizes == sorted(sizes, reverse=True)


def test_batches_of_any_size_give_the_same_effects(model, monkeypatch):
    features = items(9, seed=4)
    arguments = (model, features, np.array(best(features)), range(STEPS))
    whole = occlude(*arguments, context_count=1)
    monkeypatch.setattr("serving.explanations.choices.MOST_VALUES", 2 * features.size)
    for one, again in zip(whole, occlude(*arguments, context_count=1), strict=True):
        assert [other.row for other in one.neighbours] == [other.row for other in again.neighbours]
        for mine, other in zip(one.neighbours + one.features, again.neighbours + again.features, strict=True):
            np.testing.assert_allclose(
                [value for value in vars(mine).values() if value is not None],
                [value for value in vars(other).values() if value is not None],
                atol=1e-5,
            )


def test_variants_on_which_the_graph_overflows_are_left_out(model):
    features = items(4, seed=1)
    features[:, QUALITY] += 2
    too_large = np.array([3e38], np.float32)
    [one] = occlude(model, features, np.array(best(features)), [0], context_count=1, context_reference=too_large)
    assert [feature.column for feature in one.features if feature.item is None] == []
    assert len(one.features) == len(PLANTED) - 1


def test_a_path_that_cannot_be_followed_has_no_probability(model):
    features = items(3)
    followed = model.follow(features[np.newaxis], np.array([[1, 1, -1, -1]]))
    assert np.isnan(followed.log_probabilities[0]).tolist() == [False, True, True, True]
    followed = model.follow(features[np.newaxis], np.array([[2, 0, 1, -1]]))
    assert followed.order[0].tolist() == [2, 0, 1, -1]
    assert followed.log_probabilities[0, :2] == pytest.approx([told(features, [], 2), told(features, [2], 0)], abs=1e-5)
