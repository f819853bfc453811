"""The example of docs/users/analysts.md runs."""

from tests.page_examples import python_examples
from tests.pipelines.made_up_runs import make_run


def test_an_analyst_gets_the_served_slates_metrics(tmp_path, monkeypatch, capsys):
    [example] = python_examples("docs/users/analysts.md")
    make_run(tmp_path / "runs", "marketplace")
    monkeypatch.chdir(tmp_path)
    given = {}
    exec(example, given)
    assert "ndcg_at_10" in capsys.readouterr().out
    assert set(given["served"].policy) == {"served"}
