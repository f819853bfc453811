"""Lists of the public data set MQ2008."""

import gzip
from pathlib import Path

import numpy as np

from ranking.lists import RankingLists

MQ2008 = Path(__file__).parents[3] / "shared" / "data" / "mq2008"


def letor(*parts: str) -> RankingLists:
    """The graded lists of MQ2008's parts."""
    queries, grades, features = [], [], []
    for part in parts:
        with gzip.open(MQ2008 / f"{part}.txt.gz", "rt", encoding="ascii") as lines:
            for line in lines:
                grade, query, *pairs = line.split("#")[0].split()
                queries.append(query)
                grades.append(float(grade))
                features.append([float(pair.split(":")[1]) for pair in pairs])
    starts = [row for row in range(len(queries)) if row == 0 or queries[row] != queries[row - 1]]
    return RankingLists(
        request_ids=np.array([queries[row] for row in starts], object),
        offsets=np.array([*starts, len(queries)], np.int64),
        item_ids=np.array([str(row) for row in range(len(queries))], object),
        features=np.array(features, np.float32),
        feature_names=tuple(f"feature_{i}" for i in range(1, 47)),
        grades=np.array(grades, np.float32),
    )
