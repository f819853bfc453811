"""A log must hold what the configuration learns from."""

import pytest

from pipelines.config import PipelineConfig
from pipelines.labels import require_labels, require_propensities
from seriatim_errors import DataError

SIMULATE = {"clicks": {"source": "simulate"}}
GRADES = {"base_ranker": {"label": "grade"}, "gate": {"label": "grade"}}


def config(**sections):
    return PipelineConfig.model_validate({"name": "demo", "data": {"path": "log.csv"}, **sections})


@pytest.mark.parametrize(
    ("sections", "labels"),
    [
        ({}, ("clicked",)),
        (GRADES, ("clicked", "grade")),
        ({**SIMULATE, **GRADES}, ("grade",)),
        ({**SIMULATE, "base_ranker": {"label": "grade"}}, ("grade",)),
        ({**GRADES, "seq2slate": None}, ("grade",)),
        ({"base_ranker": None, "seq2slate": None}, ("clicked",)),
        ({"gate": None}, ("clicked",)),
    ],
)
def test_a_log_with_what_is_learnt_from_is_accepted(sections, labels):
    require_labels(config(**sections), labels)


@pytest.mark.parametrize(
    ("sections", "labels", "message"),
    [
        (
            {},
            ("grade",),
            "base_ranker.label is 'clicked' but .* no column 'clicked'; .*set base_ranker.label to 'grade'",
        ),
        ({"base_ranker": {"label": "grade"}}, ("clicked",), "base_ranker.label is 'grade' but"),
        ({"base_ranker": {"label": "grade"}}, ("grade",), "gate.label is 'clicked' but"),
        ({**SIMULATE}, ("clicked",), "clicks.source is 'simulate' but .* no column 'grade'"),
        ({**SIMULATE}, ("grade",), "base_ranker.label is 'clicked' but"),
        (GRADES, ("grade",), "seq2slate learns from clicks but .* set clicks.source to 'simulate'"),
    ],
)
def test_a_missing_label_is_named_with_the_key_that_asks_for_it(sections, labels, message):
    with pytest.raises(DataError, match=message):
        require_labels(config(**sections), labels)


def test_propensities_that_are_weighed_by_must_be_in_the_log():
    weighing = config(base_ranker={"weighting": "inverse_propensity"})
    require_propensities(weighing, ["clicked", "propensity"])
    require_propensities(config(), ["clicked"])
    with pytest.raises(
        DataError, match=r"base_ranker\.weighting is 'inverse_propensity' but .* no column 'propensity'"
    ):
        require_propensities(weighing, ["clicked"])
