"""What scikit-learn is told of ensembles whose answers are several labels a row."""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator, ClassifierMixin


class MultiLabelEnsemble(ClassifierMixin, BaseEstimator):
    """A classifier of rows, dense or sparse, with two or more labels each."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = False
        tags.classifier_tags.multi_label = True
        return tags
