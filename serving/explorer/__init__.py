"""The explorer: a page on which a person ranks a request and sees what every stage made of it."""

from serving.explorer.application import explorer_application

__all__ = ["explorer_application"]
