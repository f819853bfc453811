"""Ranking: base rankers, seq2slate, rate constraints, click models, metrics and off-policy estimators."""
