"""A metrics file with every part, whose numbers are made up and whose texts try to be code."""

from pipelines.report.calibration_metrics import ProbabilityErrors, ScoreBin, StageCalibration
from pipelines.report.drift_metrics import DriftMetrics, FeatureDrift
from pipelines.report.exposure_metrics import ExposureMetrics, GroupExposure
from pipelines.report.labeller_metrics import (
    ItemCounts,
    LabelEdge,
    LabellerMetrics,
    LabelScore,
    LabelSummary,
)
from pipelines.report.metrics_file import (
    Blessing,
    ComponentTime,
    DataSummary,
    GateMetrics,
    Interval,
    Metrics,
    OffPolicyMetrics,
    PolicyDifference,
    PolicyMetrics,
    PositionClicks,
    RatePromise,
    RunSummary,
    SlateExample,
    SlateItem,
)
from pipelines.report.slice_metrics import SliceMetrics, SliceRow

HOSTILE = "<script>alert('x')</script>"
METRICS = ("ndcg_at_10", "map", "rank_gain")
UNDEFINED = Interval(value=None, low=None, high=None, count=0)


def interval(value, count=1234, below=0.0123, above=0.0234):
    return Interval(value=value, low=value - below, high=value + above, count=count)


def make_metrics(**changes):
    """Metrics in which the served slates beat the base order; `changes` replace whole parts."""
    fields = {
        "run": RunSummary(
            name="demo",
            created="2024-01-01T00:00:00+00:00",
            seed=3,
            config_fingerprint="c0ffee",
            data_fingerprint="f00d",
            bundle_version="20240101T000000Z-c0fff00d",
        ),
        "data": DataSummary(
            requests={"eval": 3211, "train": 12345},
            rows={"eval": 98765, "train": 432100},
            clicks={"eval": 6543, "train": 29876},
            quarantined=4,
            quarantine_reasons={HOSTILE: 4},
            features=23,
        ),
        "policies": tuple(
            policy(name, title, labels, start)
            for labels in ("clicks", "grades")
            for name, title, start in (("base", "Base ranker", 0.4111), ("served", f"Served {HOSTILE}", 0.5222))
        ),
        "differences": (difference("served", "base", "clicks", 0.0777), difference("served", "base", "grades", 0.0331)),
        "slices": make_slices(),
        "calibration": (
            stage_calibration("gate", "clicked", (-0.5111, 0.2222)),
            stage_calibration(
                "seq2slate",
                "share of the request's clicks",
                (0.0222, 0.3111),
                errors=ProbabilityErrors(
                    expected_calibration_error=0.0171,
                    by_chance=0.0132,
                    brier_score=interval(0.0707, 1201),
                    log_loss=interval(0.2803, 1201),
                ),
            ),
        ),
        "exposure": make_exposure(),
        "drift": make_drift(),
        "gate": GateMetrics(
            target=0.95,
            threshold=0.1234,
            promised=RatePromise(low=0.9317, high=0.9683),
            realised=interval(0.9444, 3211),
            pass_share=0.713,
        ),
        "labeller": make_labeller(),
        "off_policy": (
            off_policy("uniform_over_passing", "snips", value=0.0046, low=0.0031, high=0.0067),
            off_policy("best_gate_score", "ips", identifiable=False, reason="the log holds no propensities"),
            off_policy("best_gate_score", "snips", value=0.006, low=0.001, high=0.011, caution="few decide the value"),
        ),
        "training": {
            "base_ranker": tuple(
                {"step": float(step), "ndcg_at_10": 0.51 if step == 50 else 0.4 + step / 1000} for step in range(1, 91)
            ),
            "seq2slate": (
                {"step": 1.0, "loss": 3.5111, "ndcg_at_10": 0.4101},
                {"step": 2.0, "loss": 3.1222, "ndcg_at_10": None},
            ),
        },
        "position_clicks": tuple(
            PositionClicks(position=position, impressions=1000, clicks=320 // position) for position in range(1, 13)
        ),
        "blessing": blessing(),
        "components": (
            ComponentTime(component="Transform", seconds=9.4, cached=False),
            ComponentTime(component="BaseRanker", seconds=0.02, cached=True),
        ),
        "slate_example": SlateExample(
            request_id=HOSTILE,
            items=(
                slate_item(1, "i0042", base_rank=3, gate_score=0.61, probability=0.345, clicked=True),
                slate_item(2, "i0007", base_rank=1, gate_score=0.05, probability=None, clicked=None),
            ),
        ),
    }
    return Metrics(**{**fields, **changes})


def stage_calibration(stage, outcome, scores, **changes):
    bins = tuple(ScoreBin(score=score, outcome=interval(0.1 + score / 10, 987), items=4321) for score in scores)
    return StageCalibration(stage=stage, outcome=outcome, bins=bins, **changes)


def make_exposure():
    """One group that is served more, and one of which nothing is shown."""
    rows = (("up to 1.2", interval(0.0456)), (HOSTILE, interval(-0.0011)))
    return ExposureMetrics(
        against="base",
        slate_size=10,
        rows=tuple(
            GroupExposure(
                column="item_price",
                value=value,
                candidates=4567,
                candidate_share=0.123,
                clicks=interval(0.234, 1111),
                served=interval(0.345),
                reference=interval(0.2994),
                difference=difference,
            )
            for value, difference in rows
        ),
    )


def make_drift(**changes):
    """One column below the threshold and one that holds no numbers; `changes` replace whole parts."""
    columns = (("price", 0.0812, 1.5), ("colour", 0.0123, None))
    fields = {
        "since": "2023-12-31T00:00:00+00:00",
        "requests": 12345,
        "requests_before": 11111,
        "threshold": 0.1,
        "columns": tuple(
            FeatureDrift(
                column=column,
                divergence=divergence,
                mean=mean,
                mean_before=mean,
                deviation=mean,
                deviation_before=mean,
                zeros=mean and 0.25,
                zeros_before=mean and 0.35,
            )
            for column, divergence, mean in columns
        ),
        "added": (HOSTILE,),
    }
    return DriftMetrics(**{**fields, **changes})


def make_labeller(**changes):
    """Six tags in a tree of four and one of two; `changes` replace whole parts."""
    names = ("handmade", "vintage", "eco", HOSTILE, "sale", "premium")
    fields = {
        "labels": tuple(LabelSummary(name=name, present=150, absent=320, unknown=11) for name in names),
        "edges": (
            LabelEdge(first="handmade", second="vintage", coupling=0.611, strength=1.222),
            LabelEdge(first="handmade", second="eco", coupling=0.322, strength=0.644),
            LabelEdge(first="eco", second=HOSTILE, coupling=0.1, strength=0.2),
            LabelEdge(first="sale", second="premium", coupling=-0.711, strength=1.422),
        ),
        "scores": (
            label_score("hamming_loss", 0.2411, 0.2733, -0.0322),
            label_score("subset_accuracy", 0.3111, 0.2222, 0.0889),
            label_score("micro_f1", 0.5551, 0.5441, 0.011),
            label_score("macro_f1", 0.4951, 0.4941, 0.001),
        ),
        "items": ItemCounts(catalogue=644, log=633, common=611, untagged=9, trained=481, held_out=121),
        "ridge": 0.01,
        "independent_ridge": 0.001,
        "planted_edges": (("handmade", "vintage"), ("eco", "handmade"), ("sale", "premium"), ("vintage", "sale")),
    }
    return LabellerMetrics(**{**fields, **changes})


def make_slices(**changes):
    """Three slices without harm and one that is too small to say; `changes` replace whole parts."""
    fields = {
        "labels": "clicks",
        "metric": "ndcg_at_10",
        "against": "base",
        "confidence": 0.95,
        "tail": 0.05 / 3,
        "min_requests": 100,
        "margin": None,
        "rows": (
            slice_row("context_mobile", "1", 0.0111, at_most=0.0499),
            slice_row("context_mobile", "0", 0.0333, at_most=0.0722),
            slice_row("candidates_in_request", "up to 24", 0.0444, at_most=0.0911),
            slice_row("context_market", HOSTILE, -0.2, at_most=0.8, count=3, decides=False),
            slice_row("context_market", "new", None, at_most=None, count=0, decides=False),
        ),
    }
    return SliceMetrics(**{**fields, **changes})


def slice_row(column, value, start, at_most, count=567, decides=True):
    differences = {name: UNDEFINED if start is None else interval(start, count) for name in METRICS}
    served = {name: UNDEFINED if start is None else interval(start + 0.5, count) for name in METRICS}
    return SliceRow(
        column=column, value=value, requests=count + 33, served=served, differences=differences,
        at_most=at_most, decides=decides,
    )  # fmt: skip


def label_score(metric, labeller, independent, difference):
    return LabelScore(
        metric=metric,
        labeller=interval(labeller, 121),
        independent=interval(independent, 121),
        difference=interval(difference, 121),
    )


def policy(name, title, labels, start):
    values = {metric: interval(start + index / 100) for index, metric in enumerate(METRICS)}
    return PolicyMetrics(policy=name, title=title, labels=labels, metrics=values)


def difference(name, against, labels, start):
    values = {metric: interval(start + index / 100) for index, metric in enumerate(METRICS)}
    return PolicyDifference(policy=name, against=against, labels=labels, metrics=values)


def blessing(**changes):
    fields = {
        "blessed": True,
        "metric": "ndcg_at_10",
        "margin": 0.02,
        "against": "base",
        "confidence": 0.95,
        "reason": "ndcg_at_10 of the candidate minus base is +0.0777",
        "difference": interval(0.0777),
    }
    return Blessing(**{**fields, **changes})


def off_policy(name, estimator, **changes):
    fields = {
        "value": None,
        "low": None,
        "high": None,
        "effective_sample_size": 3210.4,
        "max_weight": 1.75,
        "mean_weight": 0.99,
        "identifiable": True,
        "reason": None,
        "caution": None,
        "logged_value": 0.0044,
        "count": 4061,
    }
    return OffPolicyMetrics(policy=name, estimator=estimator, **{**fields, **changes})


def slate_item(rank, item_id, **fields):
    return SlateItem(rank=rank, item_id=item_id, base_score=0.5511 - rank / 10, **fields)


def many(count):
    """As many slices in the order of harm, the first of them certainly worse."""
    rows = [slice_row("context_market", f"m{i}", -0.5 + i / count, -0.4 + i / count, 1000 - i) for i in range(count)]
    return make_metrics(slices=make_slices(rows=tuple(rows)), off_policy=())
