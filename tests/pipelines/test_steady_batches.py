"""Statistics and constants of examples: the same in every run, however busy the machine is."""

import pytest
from tfx_bsl.coders import batch_util

from pipelines.config import PipelineConfig
from pipelines.run import run
from tests.pipelines.small_pipeline import told_to


@pytest.mark.slow
def test_no_batch_of_examples_is_cut_by_the_clock(tmp_path, monkeypatch):
    cuts = []
    choose = batch_util.GetBatchElementsKwargs

    def watched(*arguments):
        cuts.append(choose(*arguments))
        return cuts[-1]

    monkeypatch.setattr(batch_util, "GetBatchElementsKwargs", watched)
    config = PipelineConfig(
        name="steady",
        data={"path": tmp_path / "clicks.parquet", "simulate": {"requests": 60}},
        run_root=tmp_path / "runs",
        bundle_root=tmp_path / "bundles",
    )
    assert run(config, told_to({}), "data") is None
    assert len(cuts) > 2, "StatisticsGen reads both splits, Transform one"
    assert all(cut["min_batch_size"] == cut["max_batch_size"] for cut in cuts)
