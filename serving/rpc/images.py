"""ImageService: the image cascade over gRPC."""

from __future__ import annotations

import grpc
from google.rpc import code_pb2, status_pb2
from grpc_status import rpc_status

from serving.images.refusals import CascadeClosedError
from serving.images.rows import ImageScore
from serving.images.runtime import CascadeRuntime
from serving.proto.seriatim.v1 import images_pb2, images_pb2_grpc
from serving.rpc.errors import status_of, with_details
from serving.runtime.query import InvalidRequestError

MOST_IMAGES = 64


class ImageServicer(images_pb2_grpc.ImageServiceServicer):
    """Answers ScoreImages.

    Args:
        cascade: what scores.
    """

    def __init__(self, cascade: CascadeRuntime) -> None:
        self._cascade = cascade

    async def ScoreImages(  # noqa: N802  (the name is the protocol's)
        self, request: images_pb2.ScoreImagesRequest, context: grpc.aio.ServicerContext
    ) -> images_pb2.ScoreImagesResponse:
        """Score the images of one request."""
        try:
            return await self._score(request, context.time_remaining())
        except Exception as error:
            status = rpc_status.to_status(_status_of(error))
            await context.abort(status.code, status.details, status.trailing_metadata)
            raise

    async def _score(
        self, request: images_pb2.ScoreImagesRequest, remaining: float | None
    ) -> images_pb2.ScoreImagesResponse:
        _require_moderate(request)
        scores = await self._cascade.score([image.content for image in request.images], remaining)
        return images_pb2.ScoreImagesResponse(
            scores=[_message(image.image_id, score) for image, score in zip(request.images, scores, strict=True)],
            cascade_version=self._cascade.manifest.version,
            class_names=self._cascade.manifest.class_names,
        )


def _require_moderate(request: images_pb2.ScoreImagesRequest) -> None:
    if not 1 <= len(request.images) <= MOST_IMAGES:
        raise InvalidRequestError("images", f"{len(request.images)} images; give 1 to {MOST_IMAGES} in a call")


def _message(image_id: str, score: ImageScore) -> images_pb2.ImageScore:
    return images_pb2.ImageScore(
        image_id=image_id,
        probabilities=score.probabilities.tolist(),
        embedding=score.embedding.tolist(),
        confidence=score.confidence,
        exit_stage=score.exit_stage,
        cut_short=score.cut_short,
    )


def _status_of(error: Exception) -> status_pb2.Status:
    if isinstance(error, CascadeClosedError):
        return with_details(code_pb2.UNAVAILABLE, str(error))
    return status_of(error)
