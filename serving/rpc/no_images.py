"""ImageService of a service that has no cascade, and need not load what a cascade needs."""

from __future__ import annotations

import grpc
from google.rpc import code_pb2, error_details_pb2
from grpc_status import rpc_status

from serving.proto.seriatim.v1 import images_pb2, images_pb2_grpc
from serving.rpc.errors import with_details

MESSAGE = "the service has no image cascade; set images.cascade in its configuration, or ask another service"


class NoImagesServicer(images_pb2_grpc.ImageServiceServicer):
    """Refuses ScoreImages with FAILED_PRECONDITION, and says what to configure."""

    async def ScoreImages(  # noqa: N802  (the name is the protocol's)
        self, request: images_pb2.ScoreImagesRequest, context: grpc.aio.ServicerContext
    ) -> images_pb2.ScoreImagesResponse:
        """Refuse."""
        violation = error_details_pb2.PreconditionFailure.Violation(
            type="CASCADE", subject="images.cascade", description=MESSAGE
        )
        detail = error_details_pb2.PreconditionFailure(violations=[violation])
        status = rpc_status.to_status(with_details(code_pb2.FAILED_PRECONDITION, MESSAGE, detail))
        await context.abort(status.code, status.details, status.trailing_metadata)
        raise AssertionError("abort raises")
