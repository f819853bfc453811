"""The event log: what was shown and what users did, appended for good, in the form that the pipeline ingests."""

from serving.events.log import Appended, EventLog, EventLogError
from serving.events.reading import ReadEvents, read_events
from serving.events.records import Acted, Event, FeatureNames, Shown

__all__ = [
    "Acted",
    "Appended",
    "Event",
    "EventLog",
    "EventLogError",
    "FeatureNames",
    "ReadEvents",
    "Shown",
    "read_events",
]
