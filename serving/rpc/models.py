"""ModelService: versions and traffic, for administrators."""

from __future__ import annotations

import asyncio

import grpc
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from serving.models import ModelStore, Traffic, TrafficError
from serving.models.store import ModelState, ModelStatus
from serving.proto.seriatim.v1 import models_pb2, models_pb2_grpc
from serving.rpc.errors import with_details

STATES = {
    ModelState.KNOWN: models_pb2.MODEL_STATE_KNOWN,
    ModelState.LOADING: models_pb2.MODEL_STATE_LOADING,
    ModelState.READY: models_pb2.MODEL_STATE_READY,
    ModelState.REFUSED: models_pb2.MODEL_STATE_REFUSED,
}


class ModelServicer(models_pb2_grpc.ModelServiceServicer):
    """Answers for the versions of one process; new rules reach the others by their file."""

    def __init__(self, store: ModelStore) -> None:
        self._store = store

    async def ListModels(  # noqa: N802  (the name is the protocol's)
        self, request: models_pb2.ListModelsRequest, context: grpc.aio.ServicerContext
    ) -> models_pb2.ListModelsResponse:
        """All versions and the rules in force."""
        statuses = await asyncio.to_thread(self._store.statuses)
        return models_pb2.ListModelsResponse(
            models=[_model(status) for status in statuses], traffic=_message(self._store.traffic)
        )

    async def SetTraffic(  # noqa: N802  (the name is the protocol's)
        self, request: models_pb2.SetTrafficRequest, context: grpc.aio.ServicerContext
    ) -> models_pb2.SetTrafficResponse:
        """Put rules into force; versions are loaded in a thread, while others are served."""
        try:
            if request.roll_back:
                traffic = await asyncio.to_thread(self._store.roll_back)
            else:
                traffic = await asyncio.to_thread(self._store.set_traffic, _traffic(request.traffic))
        except TrafficError as error:
            status = rpc_status.to_status(_refused(error))
            await context.abort(status.code, status.details, status.trailing_metadata)
        return models_pb2.SetTrafficResponse(traffic=_message(traffic))


def _refused(error: TrafficError) -> status_pb2.Status:
    violation = error_details_pb2.PreconditionFailure.Violation(type="TRAFFIC", description=str(error))
    return with_details(
        code_pb2.FAILED_PRECONDITION, str(error), error_details_pb2.PreconditionFailure(violations=[violation])
    )


def _traffic(message: models_pb2.Traffic) -> Traffic:
    return Traffic(message.stable, message.canary, message.canary_share, message.shadow, message.shadow_share)


def _message(traffic: Traffic) -> models_pb2.Traffic:
    return models_pb2.Traffic(
        stable=traffic.stable,
        canary=traffic.canary,
        canary_share=traffic.canary_share,
        shadow=traffic.shadow,
        shadow_share=traffic.shadow_share,
    )


def _model(status: ModelStatus) -> models_pb2.Model:
    manifest = status.manifest
    return models_pb2.Model(
        version=status.version,
        state=STATES[status.state],
        refusal=status.refusal,
        name="" if manifest is None else manifest.name,
        created="" if manifest is None else manifest.created,
        metrics={} if manifest is None else manifest.metrics,
        requests=status.requests,
    )
