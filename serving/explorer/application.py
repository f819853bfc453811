"""The explorer's page and what it asks for, as an application to be mounted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from seriatim_errors import SeriatimError
from serving.batching import Batcher
from serving.client.messages import RankRequest as Given
from serving.client.messages import message_of
from serving.config import LimitsConfig
from serving.explorer.answers import answer_of, golden_requests, listed
from serving.explorer.explanations import Explanations
from serving.models import ModelStore
from serving.models.loading import LoadedModel
from serving.request_file import RankRequest, first_mistake
from serving.rpc.requests import query_of
from serving.runtime.query import InvalidRequestError, Slate, SlateQuery

PAGE = Path(__file__).parent / "page"
FILES = {"": "explorer.html", **{name: name for name in ("explorer.css", "explanation.js", "explorer.js")}}
SCHEME = "bearer "
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def explorer_application(
    models: ModelStore, batcher: Batcher, limits: LimitsConfig, authorise: Callable[[str], bool] | None = None
) -> web.Application:
    """Pages and API of the explorer; used in the event loop of the service.

    Requests are ranked through the service's own queue: a person who explores waits behind its callers, and slows them
    by no more than another caller.

    Args:
        models: of the service.
        batcher: of the service.
        limits: of the service.
        authorise: whether a token opens the API; None: it is open. The page itself holds nothing and is open always.
    """
    explorer = _Explorer(models, batcher, limits, authorise)
    application = web.Application(middlewares=[_answer_mistakes, explorer.guard])
    for name, file in FILES.items():
        application.router.add_get(f"/{name}", _file(file))
    application.add_routes(
        [
            web.get("/api/versions", explorer.versions),
            web.get("/api/requests", explorer.requests),
            web.post("/api/rank", explorer.rank),
            web.post("/api/explain", explorer.explain),
        ]
    )
    application.on_cleanup.append(explorer.close)
    return application


class _Explorer:
    def __init__(
        self, models: ModelStore, batcher: Batcher, limits: LimitsConfig, authorise: Callable[[str], bool] | None
    ) -> None:
        self._models, self._batcher, self._limits, self._authorise = models, batcher, limits, authorise
        self._explanations = Explanations()

    async def close(self, application: web.Application) -> None:
        """Let go of the thread that explains."""
        await asyncio.to_thread(self._explanations.close)

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Ask for a token where the service asks for tokens."""
        if self._authorise is not None and "/api/" in request.path:
            given = request.headers.get("Authorization", "")
            if given[: len(SCHEME)].lower() != SCHEME or not self._authorise(given[len(SCHEME) :].strip()):
                return _mistake("token", "no valid token; enter one of this service's", 401)
        return await handler(request)

    async def versions(self, request: web.Request) -> web.Response:
        """What `ListModels` tells."""
        return web.json_response(listed(self._models))

    async def requests(self, request: web.Request) -> web.Response:
        """Golden requests of the bundle in service, to begin with."""
        return web.json_response(golden_requests(self._models.stable))

    async def rank(self, request: web.Request) -> web.Response:
        """Rank a request with a version."""
        model, query, slate = await self._ranked(await _body(request))
        return web.json_response(answer_of(query, slate, model.ranker.labeller))

    async def explain(self, request: web.Request) -> web.Response:
        """Why one `item` of a request stands where it stands.

        The request is ranked again: it says all that its slate hangs on, a drawn one too.
        """
        body = await _body(request)
        model, query, slate = await self._ranked(body)
        if body.get("item") not in query.item_ids:
            raise InvalidRequestError("item", f"{body.get('item')!r} is none of the candidates; give one's id")
        row = query.item_ids.index(body["item"])
        return web.json_response(await self._explanations.explain(model.ranker, query, slate, row))

    async def _ranked(self, body: dict[str, Any]) -> tuple[LoadedModel, SlateQuery, Slate]:
        given = RankRequest.model_validate(body.get("request"))
        model = self._models.choose(given.request_id, str(body.get("version") or ""))
        asked = Given(**given.model_dump(), temperature=_temperature(body.get("temperature")))
        if asked.features is None:
            raise InvalidRequestError("features", "absent; the explorer looks no items up, give their features")
        query = query_of(message_of(asked), model.ranker, self._limits.candidates)
        return model, query, await self._batcher.rank(model.ranker, query)


async def _body(request: web.Request) -> dict[str, Any]:
    body = await request.json()
    if not isinstance(body, dict):
        raise InvalidRequestError("request", "not an object; give request, version and temperature")
    return body


def _temperature(value: Any) -> float | None:
    if value is None or value == "":
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InvalidRequestError("temperature", f"{value!r}; give a number, or nothing for the best slate") from None


def _file(name: str) -> Handler:
    async def show(request: web.Request) -> web.StreamResponse:
        return web.FileResponse(PAGE / name)

    return show


@web.middleware
async def _answer_mistakes(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Mistakes as a field and the way out, which the page shows at the field."""
    try:
        return await handler(request)
    except InvalidRequestError as error:
        return _mistake(error.field, error.description, 400)
    except ValidationError as error:
        field, _, description = first_mistake(error).partition(": ")
        return _mistake("request", f"{field}: {description}" if description else field, 400)
    except json.JSONDecodeError as error:
        return _mistake("request", f"not JSON: {error}", 400)
    except SeriatimError as error:
        return _mistake("request", str(error), 503)


def _mistake(field: str, description: str, status: int) -> web.Response:
    return web.json_response({"field": field, "description": description}, status=status)
