"""Runs of pipelines on a schedule: by cron, by interval and when new data arrive."""
