"""The names that the pages' blocks of Python take as given, by page, and what makes a block small."""

import functools
import shutil
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow.csv
import pyarrow.parquet
from PIL import Image

from serving.client import RankingClient
from serving.config import ServiceConfig
from tests.serving import small_cascades
from tests.serving.credentials import certified
from tests.serving.running import RunningService
from tests.serving.small_bundles import make_bundle

TABLE = "tests/pipelines/shown_commands/python_names.py"


@dataclass(frozen=True)
class Given:
    """What a page's blocks are run with.

    Attributes:
        names: from the workspace's folder and a stack that ends what is started, the values of names; given anew before
            each block, over what the blocks before have left.
        shorter: parts of the blocks' text and what is run in their place; each must be there.
    """

    names: object = lambda folder, closing: {}
    shorter: dict = field(default_factory=dict)


# Pages whose blocks another test runs, and looks closer at.
VISION = "tests/vision_components/test_documents.py"
ELSEWHERE = {
    **{f"docs/{name}.md": VISION for name in ("codec", "committees", "distillation", "figs", "morphnet")},
    **{f"docs/{name}.md": VISION for name in ("multi_hashing", "sky", "structure_search")},
    "docs/explanations.md": "tests/serving/test_explanations_document.py",
    "docs/labeller.md": "tests/structured/test_documents.py",
    "docs/off_policy.md": "tests/ranking/test_off_policy_document.py",
    "docs/rate_constraints.md": "tests/ranking/test_documents.py",
    "docs/seq2slate.md": "tests/ranking/test_documents.py",
    "docs/users/analysts.md": "tests/pipelines/test_documents.py",
    "docs/users/back_ends.md": "tests/serving/test_documents.py",
}


def pictures(folder, closing):
    """Pictures and the names of ten classes."""
    shutil.rmtree(folder / "cascades", ignore_errors=True)
    images = [small_cascades.make_image(seed, (32, 32)) for seed in range(4)]
    return {"class_names": [f"class {number}" for number in range(10)], "images": np.stack(images)}


def log_as_csv(folder, closing):
    """`clicks.csv`."""
    pyarrow.csv.write_csv(pyarrow.parquet.read_table(folder / "clicks.parquet"), folder / "clicks.csv")
    return {}


def requests(folder, closing):
    """A service that any slate fits, a client of it, one request, and the same as a table."""
    import pandas as pd

    rng = np.random.default_rng(0)
    ids = [f"i{row}" for row in range(12)]
    features = rng.normal(size=(12, 3))
    table = pd.DataFrame(features, columns=["price", "quality", "age"])
    table = table.assign(request_id="r", item_id=ids, context_hour=1.0)
    client = closing.enter_context(RankingClient(ranker_target(folder, closing)))
    for name in ("ca", "client"):
        certified(folder, name)
    return {
        "item_ids": ids,
        "features": features.tolist(),
        "context": [1.0],
        "candidates": table,
        "client": client,
        "target": client.target,
    }


@functools.cache
def ranker_target(folder, closing):
    """The address of a service of one bundle that only orders."""
    bundle = make_bundle(folder / "ordering", kinds=("base_ranker",))
    service = RunningService(ServiceConfig.model_validate({"models": {"bundle": bundle.folder}, "listen": {"port": 0}}))
    closing.callback(service.stop)
    return service.target


def image_service(folder, closing):
    """A service with a cascade, a picture to send, and graphs that make another cascade."""
    shutil.rmtree(folder / "cascades", ignore_errors=True)
    (folder / "exported").mkdir(exist_ok=True)
    for stage in range(2):
        graph = small_cascades.write_stage(folder / "exported" / f"stage_{stage}.onnx", stage, (224, 224), embedding=0)
        _first_two_classes(graph)
    Image.fromarray(small_cascades.make_image(0, (40, 40))).save(folder / "shoe.jpg")
    images = np.stack([small_cascades.make_image(seed, (224, 224)) for seed in range(2)])
    return {"target": cascade_target(folder, closing), "images": images}


@functools.cache
def cascade_target(folder, closing):
    """The address of a service of images."""
    cascade = small_cascades.make_cascade(folder / "cascade")
    bundle = make_bundle(folder / "beside", kinds=("base_ranker",))
    given = {"models": {"bundle": bundle.folder}, "listen": {"port": 0}, "images": {"cascade": cascade.folder}}
    service = RunningService(ServiceConfig.model_validate(given))
    closing.callback(service.stop)
    return service.target


def _first_two_classes(path):
    """The page's cascade tells two classes apart, the small graphs three: the last one goes."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load(path)
    for constant in model.graph.initializer:
        if constant.name.startswith("weights"):
            constant.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(constant)[:, :2], constant.name))
    for output in model.graph.output:
        output.type.tensor_type.shape.dim[1].dim_value = 2
    onnx.save(model, path)


def ranking_lists(folder, closing):
    """Lists in an order, with grades and clicks."""
    from tests.ranking.tiny_seq2slate import clicked_lists

    made = {}
    for seed, name in enumerate(("train", "validation", "test")):
        lists = clicked_lists(12, seed=seed)
        lists = replace(lists, grades=lists.clicks, positions=np.tile(np.arange(1, 9), 12).astype(np.int32))
        made[name] = lists
    return made


SERVICE = {'"127.0.0.1:8500"': "target"}
GIVEN = {
    "docs/backbones.md": Given(pictures, {"resnet(56, ": "resnet(8, "}),
    "docs/click_log.md": Given(log_as_csv),
    "docs/client.md": Given(
        requests, SERVICE | {'features=["price", "quality"]': 'features=["price", "quality", "age"]'}
    ),
    "docs/images.md": Given(image_service, SERVICE),
    "docs/rankers.md": Given(
        ranking_lists,
        {
            'loss="approx_ndcg")': 'loss="approx_ndcg", epochs=1)',
            "OneShotTransformer(), DLCM()": "OneShotTransformer(epochs=1), DLCM(epochs=1)",
        },
    ),
}
