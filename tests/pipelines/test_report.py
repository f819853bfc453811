"""The report: every number is on the page, nothing from the data is code, missing parts leave no hole."""

import html
import re

import pytest
from click.testing import CliRunner

from pipelines.commands.report import report
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
    load_metrics,
)
from pipelines.report.page import interval_cell, render, write_report
from seriatim_errors import DataError

HOSTILE = "<script>alert('x')</script>"
NAMES = ("ndcg_at_10", "map", "rank_gain")


def interval(value, count=120):
    return Interval(value=value, low=value - 0.0123, high=value + 0.0234, count=count)


def make_metrics(**changes):
    policies = tuple(
        PolicyMetrics(
            policy=policy,
            title=title,
            labels="clicks",
            metrics={name: interval(start + index / 100) for index, name in enumerate(NAMES)},
        )
        for policy, title, start in (("base", "Base ranker", 0.4111), ("served", f"Served {HOSTILE}", 0.5222))
    )
    difference = {name: interval(0.0777) for name in NAMES}
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
            requests={"train": 1234, "eval": 321},
            rows={"train": 43210, "eval": 9876},
            clicks={"train": 987, "eval": 65},
            quarantined=4,
            quarantine_reasons={HOSTILE: 4},
            features=23,
        ),
        "policies": policies,
        "differences": (PolicyDifference(policy="served", against="base", labels="clicks", metrics=difference),),
        "gate": GateMetrics(
            target=0.95,
            threshold=0.1234,
            promised=RatePromise(low=0.931, high=0.968),
            realised=interval(0.9444),
            pass_share=0.713,
        ),
        "off_policy": (
            OffPolicyMetrics(
                policy="uniform_over_passing",
                estimator="snips",
                value=0.0046,
                low=0.0031,
                high=0.0067,
                effective_sample_size=3210.0,
                max_weight=1.7,
                mean_weight=0.99,
                identifiable=True,
                reason=None,
                caution=None,
                logged_value=0.0044,
                count=4061,
            ),
            OffPolicyMetrics(
                policy="best_gate_score",
                estimator="ips",
                value=None,
                low=None,
                high=None,
                effective_sample_size=None,
                max_weight=None,
                mean_weight=None,
                identifiable=False,
                reason="the log has no propensities",
                caution=None,
                logged_value=0.0044,
                count=4061,
            ),
        ),
        "training": {
            "seq2slate": (
                {"step": 1.0, "loss": 3.5, "ndcg_at_10": 0.41},
                {"step": 2.0, "loss": 3.1, "ndcg_at_10": 0.44},
            )
        },
        "position_clicks": (PositionClicks(position=1, impressions=1000, clicks=320),),
        "blessing": Blessing(
            blessed=True,
            metric="ndcg_at_10",
            margin=0.02,
            against="base",
            confidence=0.95,
            reason="ndcg_at_10 of the candidate minus base is +0.0777",
            difference=interval(0.0777),
        ),
        "components": (ComponentTime(component="Transform", seconds=9.4, cached=True),),
        "slate_example": SlateExample(
            request_id=HOSTILE,
            items=(
                SlateItem(
                    rank=1,
                    item_id="i0042",
                    base_rank=3,
                    base_score=0.5511,
                    gate_score=None,
                    probability=0.345,
                    clicked=True,
                ),
            ),
        ),
    }
    return Metrics(**{**fields, **changes})


def text_of(page):
    body = page[page.index("<body>") :]
    body = re.sub(r"<script.*?</script>", "", body, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", " ", body))


def test_the_metrics_file_survives_a_round_trip(tmp_path):
    make_metrics().save(tmp_path / "metrics.json")
    assert load_metrics(tmp_path / "metrics.json") == make_metrics()


def test_every_number_is_on_the_page_with_its_interval_and_count():
    metrics = make_metrics()
    text = text_of(render(metrics))
    for policy in metrics.policies:
        for value in policy.metrics.values():
            assert interval_cell(value) in text
    for expected in ("1,234", "43,210", "0.950", "71.3 %", "3210", "not identifiable: the log has no propensities"):
        assert expected in text
    assert "Blessed" in text
    assert "cached" in text


def test_texts_from_the_data_are_escaped():
    page = render(make_metrics())
    assert HOSTILE not in page
    assert html.escape(HOSTILE, quote=False) in page.replace("&#39;", "'")


def test_the_page_asks_nothing_of_the_network():
    page = render(make_metrics())
    without_plotly = page[page.index("</script>") :]
    assert not re.search(r"""(?:src|href)=["']https?:""", without_plotly)


@pytest.mark.parametrize(
    "changes",
    [
        {"gate": None},
        {"off_policy": ()},
        {"policies": (), "differences": ()},
        {"training": {}, "position_clicks": (), "components": (), "slate_example": None},
    ],
)
def test_missing_parts_leave_no_hole(changes):
    text = text_of(render(make_metrics(**changes)))
    assert "Blessed" in text
    assert "None" not in text


def test_an_undefined_interval_says_so():
    assert interval_cell(Interval(value=None, low=None, high=None, count=0)) == "not defined"


def invoke(*arguments):
    return CliRunner().invoke(report, [str(argument) for argument in arguments])


def test_show_prints_the_verdict_and_writes_the_page_when_it_is_missing(tmp_path):
    run = tmp_path / "demo"
    run.mkdir()
    make_metrics().save(run / "metrics.json")
    shown = invoke("show", "demo", "--runs", tmp_path)
    assert shown.exit_code == 0
    assert "blessed: ndcg_at_10 of the candidate minus base" in shown.output
    assert "promised recall 0.950, realised 0.944 [0.932, 0.968]" in shown.output.replace("\n", " ")
    assert (run / "report" / "index.html").stat().st_size > 10_000
    assert invoke("show", "--runs", tmp_path).output == shown.output


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        (None, ("show",), "no finished run under"),
        (None, ("show", "other"), "run 'other' has no metrics.json"),
        ('{"schema_version": 1}', ("show", "demo"), "run: Field required"),
        ("{", ("show", "demo"), "Invalid JSON"),
    ],
)
def test_missing_and_malformed_metrics_are_named(tmp_path, content, arguments, message):
    if content is not None:
        (tmp_path / "demo").mkdir()
        (tmp_path / "demo" / "metrics.json").write_text(content)
    shown = invoke(*arguments, "--runs", tmp_path)
    assert isinstance(shown.exception, DataError)
    assert message in str(shown.exception)


def test_the_page_opens_in_a_browser_sorts_and_switches_theme(tmp_path):
    """Chromium runs the page with a script that sorts and toggles, and prints the resulting document."""
    import shutil
    import subprocess

    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed (Debian package chromium)")
    page = write_report(make_metrics(), tmp_path)
    act = (
        "<script>addEventListener('load', () => {"
        "document.querySelector('table.sortable th:nth-child(2) button').click();"
        "document.getElementById('theme').click();"
        "document.title = 'plots ' + document.querySelectorAll('.main-svg').length; });</script></body>"
    )
    page.write_text(page.read_text().replace("</body>", act))
    command = [
        chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=8000", "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert 'data-theme="' in shown
    first_table = shown[shown.index("<tbody>") : shown.index("</tbody>")]
    assert first_table.index("Served") < first_table.index("Base ranker")
    assert int(re.search(r"<title>plots (\d+)", shown).group(1)) >= 4
