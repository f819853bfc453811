"""The example of docs/users/analysts.md runs."""

import re
from pathlib import Path

from tests.pipelines.made_up_runs import make_run

PAGE = Path(__file__).parents[2] / "docs" / "users" / "analysts.md"


def test_an_analyst_gets_the_served_slates_metrics(tmp_path, monkeypatch, capsys):
    [example] = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    make_run(tmp_path / "runs", "marketplace")
    monkeypatch.chdir(tmp_path)
    given = {}
    exec(example, given)
    assert "ndcg_at_10" in capsys.readouterr().out
    assert set(given["served"].policy) == {"served"}
