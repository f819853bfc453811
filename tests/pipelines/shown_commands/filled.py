"""From a command as a page shows it to the words that are run: placeholders, options in brackets, small sizes."""

import itertools
import re
import shlex
from dataclasses import dataclass

import click

import seriatim

DAYS = "logs/{date}/v{version}/log.parquet"
TABLE = "tests/pipelines/shown_commands/filled.py"


@dataclass(frozen=True)
class Filling:
    """What stands for a placeholder: `within` commands that hold this text, and `after` this word, where given."""

    placeholder: str
    value: str
    within: str = ""
    after: str = ""


# The first that fits counts. A word in capital letters, or in <angle brackets>, that none fits is an error.
FILLINGS = [
    Filling("PATH", "data/mq2008", within="mq2008"),
    Filling("PATH", "data/open_bandit", within="open_bandit"),
    Filling("PATH", "items.parquet", after="--items"),
    Filling("PATH", DAYS, after="--data", within="--span DATE"),
    Filling("PATH", "clicks.parquet"),
    Filling("LOG", DAYS, within="--span DATE"),
    Filling("LOG", "data/marketplace/clicks.parquet", within="--name mine"),
    Filling("LOG", "clicks.parquet"),
    Filling("FORMAT", "parquet"),
    Filling("DAYS", "2"),
    Filling("DATE", "2026-01-07"),
    Filling("SHARE", "0.5"),
    # Variants of the shipped run: in its folder what has not changed comes from the cache.
    Filling("mine", "marketplace", within="--data LOG", after="--name"),
    Filling("trial", "marketplace", after="--name"),
    Filling("without-gate", "marketplace", after="--name"),
    Filling("NAME", "item_freshness", after="--ignore-column"),
    Filling("NAME", "named"),
    Filling("FOLDER", "runs/week", within="simulate week"),
    Filling("FOLDER", "data/made", within="simulate"),
    Filling("FOLDER", "bundles/marketplace", after="--bundles"),
    Filling("FOLDER", "bundles/marketplace/B", after="--bundle"),
    Filling("FOLDER", "bundles/marketplace/B", within="serving.check"),
    Filling("FOLDER", "quarantine", after="--quarantine"),
    Filling("FILE", "shop.yaml", after="--config"),
    Filling("RUN", "marketplace", after="compare"),
    Filling("RUN", "mine"),
    Filling("DIR", "runs", after="--runs"),
    Filling("HOST:PORT", "{target}"),
    Filling("HOST", "127.0.0.1"),
    Filling("PORT", "0"),
    Filling("N", "1", after="--workers"),
    Filling("N", "20"),
    Filling("S", "1"),
    Filling("KEY=VALUE", "data.spans={window: 2}"),
    Filling("VERSION", "B"),
    Filling("ITEM_ID", "a"),
]
# Words of their own right that look like placeholders: the versions in the folder of bundles.
PLAIN = {"A", "B"}
# What a page names that is somewhere else here.
ELSEWHERE = {
    "/var/lib/seriatim/events": "events",
    "redis://127.0.0.1:6379/0": "{redis}",
    "127.0.0.1:8500": "{target}",
    "8501": "0",
    "seq2slate.loss=NAME": "seq2slate={loss: smooth_hinge, hidden_size: 4, epochs: 1}",
}
# Options that make a command small, let it take a free port, or find the service; more than the page gives.
OPTIONS = {
    ("simulate",): {"--requests": "20", "--out": "data/made"},
    ("simulate", "week"): {"--days": "1", "--requests-per-day": "20", "--first-requests": "20", "--arm": "static"},
    ("backfill",): {"--from": "2026-01-07", "--to": "2026-01-07"},
    ("serve",): {"--port": "0"},
    ("report", "serve"): {"--port": "0"},
    ("rank",): {"--target": "{target}"},
    ("health",): {"--target": "{target}"},
    ("models", "list"): {"--target": "{target}"},
    ("models", "set-traffic"): {"--target": "{target}"},
    ("models", "roll-back"): {"--target": "{target}"},
    # The schedules of other pages would run here, by the clock.
    ("schedule", "start"): {"--home": "no_schedules"},
    ("vision", "train-codec"): {
        "--steps": "2", "--channels": "4", "--latents": "5", "--decoder": "12,12,12", "--patch": "64",
        "--batch-size": "1",
    },
    ("vision", "train-decoder"): {"--steps": "20", "--patch": "64", "--batch-size": "1"},
    ("vision", "train-sky"): {"--steps": "2", "--batch-size": "2", "--side": "32", "--widths": "4,8"},
    ("vision", "search"): {"--epochs": "1", "--batch-size": "4"},
}  # fmt: skip
# Commands that running text shows with their name alone, and what they then lack.
COMPLETED = {"schedule add NAME": "--config absent.yaml --every 6h --retries 0"}


class UnknownPlaceholderError(AssertionError):
    """A page shows a placeholder that nothing stands for."""


def variants(text):
    """The word lists that a shown command stands for: without what is in brackets, and with it, each choice once."""
    words = COMPLETED.get(text.removeprefix("seriatim "))
    text = text if words is None else f"{text} {words}"
    bare = re.sub(r"\s*\[[^\[\]]*\](?:\.\.\.)?", "", text)
    whole = re.sub(r"\[([^\[\]]*)\](?:\.\.\.)?", r"\1", text)
    found = []
    for one in dict.fromkeys([bare, whole]):
        for chosen in itertools.product(*(_choices(word) for word in shlex.split(one, comments=True))):
            if list(chosen) not in found:
                found.append(list(chosen))
    return [filled(words) for words in found]


def filled(words):
    """The words with everything in the place of placeholders."""
    line = " ".join(words)
    return [_fill(word, before, line) for before, word in zip(["", *words], words, strict=False)]


def command_of(words):
    """The click command that the words after `seriatim` name, its path of names, and the words behind it."""
    command, path, rest = seriatim.cli, (), list(words)
    while isinstance(command, click.Group) and rest:
        found = command.get_command(click.Context(command), rest[0])
        if found is None:
            break
        command, path, rest = found, (*path, rest[0]), rest[1:]
    return command, path, rest


def small(words):
    """The words after `seriatim`, with the options of `OPTIONS` in place of their own or added."""
    _, path, rest = command_of(words)
    rest = list(rest)
    for option, value in OPTIONS.get(path, {}).items():
        if option in rest:
            rest[rest.index(option) + 1] = value
        else:
            rest += [option, value]
    return [*path, *rest]


def is_only_named(words):
    """Whether the words name a group, or a command that needs more than its name: such a mention runs its help."""
    command, _, rest = command_of(words)
    if rest or not isinstance(command, click.Command):
        return False
    if isinstance(command, click.Group):
        return not command.invoke_without_command
    return any(parameter.required for parameter in command.params)


def _choices(word):
    parts = word.split("|")
    return parts if len(parts) > 1 and all(re.fullmatch(r"[a-z_]+", part) for part in parts) else [word]


def _fill(word, before, line):
    if word in ELSEWHERE:
        return ELSEWHERE[word]
    parts = [word] if _stands_for(word, before, line) else re.split(r"(/)", word)
    return "".join(_value(part, before, line) for part in parts)


def _value(part, before, line):
    found = _stands_for(part, before, line)
    if found is not None:
        return found
    if part not in PLAIN and re.search(r"<[^<>]*>|^[A-Z][A-Z_]*$|^[A-Z]+[=:][A-Z]+$", part):
        raise UnknownPlaceholderError(
            f"{part!r} in {line!r} is a placeholder that nothing stands for; add to FILLINGS in {TABLE} a line such as "
            f"Filling({part!r}, 'a value that the workspace holds'{f', after={before!r}' if before[:2] == '--' else ''}"
            "), or the word itself to PLAIN if it is none"
        )
    return part


def _stands_for(part, before, line):
    for one in FILLINGS:
        if one.placeholder == part and one.within in line and one.after in {"", before}:
            return one.value
    return None
