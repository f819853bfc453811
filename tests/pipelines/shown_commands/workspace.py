"""A folder that holds what the pages' commands name, each thing as small as its command allows."""

import json
import shutil
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from PIL import Image

from pipelines.simulation import SimulationSettings, simulate_marketplace
from pipelines.simulation.files import catalogue_table
from serving.bundle import ItemFeaturesEntry, open_bundle, write_bundle
from serving.events import EventLog
from serving.features.lmdb_file import write_lmdb
from tests.event_samples import acted, shown
from tests.pipelines.daily_logs import day_log, write_day
from tests.pipelines.made_up_runs import make_run
from tests.pipelines.shown_commands.collected import blocks
from tests.pipelines.shown_commands.small_configs import write_configs
from tests.serving.feature_files import FEATURES, IDS, MATRIX, NAMES
from tests.serving.small_bundles import make_bundle

RUNS = ("marketplace", "mine", "mq2008", "other", "trial")
VERSIONS = ("A", "B")
DAYS, BACKFILLED = 7, ("2026-01-06", "2026-01-07")
SKY, GRASS = (70, 110, 190), (60, 80, 30)


def build_workspace(folder):
    """Everything that is cheap to have; networks are trained by the pages' own commands when one is first asked for."""
    write_configs(folder)
    _write_logs(folder)
    for age, name in enumerate(RUNS):
        make_run(folder / "runs", name, age=age)
    for day in BACKFILLED:
        make_run(folder / "runs" / "shop" / "backfill" / "shop" / "days", day)
    _write_bundles(folder)
    _write_pictures(folder)
    _write_request(folder)
    return folder


def _write_logs(folder):
    for number in range(DAYS):
        write_day(folder, number, marketplace_day(number), version=1)
    pa.parquet.write_table(marketplace_day(DAYS), folder / "clicks.parquet")
    pa.parquet.write_table(marketplace_day(DAYS), folder / "mine.parquet")
    for name in ("marketplace", "hour"):
        (folder / "data" / name).mkdir(parents=True)
        pa.parquet.write_table(marketplace_day(DAYS + 1), folder / "data" / name / "clicks.parquet")
    mq2008, open_bandit = folder / "data" / "mq2008", folder / "data" / "open_bandit"
    mq2008.mkdir(parents=True)
    for part in (1, 4):
        (mq2008 / f"S{part}.txt").write_text(_letor(part))
    open_bandit.mkdir()
    _write_open_bandit(open_bandit)
    log = EventLog(folder / "events")
    log.append([one for number in range(4) for one in (shown(number, policy="greedy"), acted(number))])
    log.close()


def marketplace_day(number, requests=20):
    """A day's log with some of the marketplace's columns, and clicks that follow the price."""
    rng = np.random.default_rng(number)
    rows = 3 * requests
    price = rng.normal(size=rows)
    columns = {"item_price": price, "item_freshness": rng.random(rows), "clicked": (price > 0).astype(int)}
    mobile = np.repeat(rng.integers(2, size=requests), 3).astype(float)
    lists = {name: values.tolist() for name, values in {**columns, "context_mobile": mobile}.items()}
    return day_log(number, requests=requests, context_hour=None, affinity=None, **lists)


def _letor(part, queries=12):
    rng = np.random.default_rng(part)
    lines = []
    for query in range(queries):
        for row, (first, second) in enumerate(rng.random((4, 2))):
            lines.append(f"{round(2 * first)} qid:{part}{query} 1:{first:.3f} 2:{second:.3f} #docid = D{row} inc = 1")
    return "\n".join(lines) + "\n"


def _write_open_bandit(folder, rows=120):
    rng = np.random.default_rng(0)
    names = "timestamp,item_id,position,click,propensity_score,user_feature_0,user-item_affinity_0,user-item_affinity_1"
    lines = [f",{names}"]
    for row in range(rows):
        item, user = rng.integers(2), ("aa", "bb")[rng.integers(2)]
        affinity = rng.random(2)
        click = int(rng.random() < 0.2 + 0.6 * affinity[item])
        time = f"2019-11-24 00:{row // 60:02d}:{row % 60:02d}+00:00"
        lines.append(f"{row},{time},{item},{row % 3 + 1},{click},0.5,{user},{affinity[0]:.4f},{affinity[1]:.4f}")
    (folder / "women.csv").write_text("\n".join(lines) + "\n")
    (folder / "item_context.csv").write_text(",item_id,item_feature_0,item_feature_1\n0,1,-0.5,red\n1,0,1.5,blue\n")


def _write_bundles(folder):
    """Versions A and B with item features in `bundles/marketplace`, and one under `bundles/shop` as it is fetched."""
    write_lmdb(folder / "data.mdb", IDS, MATRIX, NAMES)
    for version in VERSIONS:
        made = make_bundle(folder / "made", version)
        files = {name: made.folder / name for name in made.manifest.files if name != "golden_requests.npz"}
        files["item_features/data.mdb"] = folder / "data.mdb"
        changes = {
            "files": {},
            "features": made.manifest.features.model_copy(update={"defaults": FEATURES.defaults}),
            "item_features": ItemFeaturesEntry(file="item_features/data.mdb", items=len(IDS)),
        }
        manifest = made.manifest.model_copy(update=changes)
        open_bundle(write_bundle(folder / "bundles" / "marketplace", manifest, files, made.golden()))
    shutil.copytree(folder / "bundles" / "marketplace" / "B", folder / "bundles" / "shop" / ".VERSION")


def _write_pictures(folder):
    """Photos to code, photos with skies and their masks, pictures by class, and a catalogue with thumbnails."""
    (folder / "photos").mkdir()
    for seed, name in enumerate(("one.jpg", "two.jpg", "three.jpg")):
        noise(seed, 80, 96).save(folder / "photos" / name)
    for name in ("beach.jpg", "harbour.jpg"):
        landscape()[0].save(folder / name)
    for archive in ("photos.tar", "more_photos.tar"):
        labelled = folder / "skies"
        labelled.mkdir(exist_ok=True)
        for seed in range(3):
            photo, mask = landscape(seed)
            photo.save(labelled / f"view_{seed}.jpg")
            mask.save(labelled / f"view_{seed}_sky.png")
        with tarfile.open(folder / archive, "w") as tar:
            tar.add(labelled, arcname=".")
    for place, name in enumerate(("cat", "dog")):
        (folder / "labelled" / name).mkdir(parents=True)
        for row in range(6):
            noise(10 * place + row, 16, 16).save(folder / "labelled" / name / f"{row}.png")
    catalogue = catalogue_table(simulate_marketplace(SimulationSettings(requests=10, seed=0)).catalogue)
    pa.parquet.write_table(catalogue.slice(0, 4), folder / "items.parquet")


def noise(seed, height, width):
    """A picture of noise."""
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def landscape(seed=0, height=48, width=64):
    """Blue above, green below, and where it is blue."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((height, width), np.uint8)
    mask[: height // 2] = 255
    photo = np.where(mask[..., np.newaxis] == 255, SKY, GRASS) + rng.normal(0, 4, (height, width, 3))
    return Image.fromarray(np.clip(photo, 0, 255).astype(np.uint8)), Image.fromarray(mask)


def _write_request(folder):
    """`request.json` of the client's page, as wide as the bundles' features."""
    shown_request = next(block for block in blocks("docs/client.md") if block.language == "json")
    request = json.loads(shown_request.text)
    request["features"] = [[*row, *[0.0] * (len(NAMES) - len(row))] for row in request["features"]]
    request["context"] = [0.0] * len(FEATURES.context)
    (folder / "request.json").write_text(json.dumps(request))
