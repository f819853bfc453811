"""Before every call: does the caller have a token, and may its role do this?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import grpc

from serving.security.tokens import Role, TokenFile

HEADER, SCHEME = "authorization", "bearer "
# Probes and load balancers ask for health without a token.
OPEN_SERVICES = frozenset({"grpc.health.v1.Health"})
ADMIN_SERVICES = frozenset({"seriatim.v1.ModelService"})


class AuthenticationInterceptor(grpc.aio.ServerInterceptor):
    """Refuses calls before their message is read.

    UNAUTHENTICATED says the same for a missing, a wrong and an expired token, so that nothing is learned from it;
    PERMISSION_DENIED is for a caller's token on an administrator's call.
    """

    def __init__(self, tokens: TokenFile) -> None:
        self._tokens = tokens
        self._unauthenticated = _refusing(
            grpc.StatusCode.UNAUTHENTICATED, "no valid token; send one as 'authorization: Bearer TOKEN'"
        )
        self._denied = _refusing(grpc.StatusCode.PERMISSION_DENIED, "this call needs a token with the role admin")

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        """The method's handler, or one that refuses."""
        service = handler_call_details.method.rpartition("/")[0].lstrip("/")
        if service in OPEN_SERVICES:
            return await continuation(handler_call_details)
        role = self._role(handler_call_details)
        if role is None:
            return self._unauthenticated
        if service in ADMIN_SERVICES and role is not Role.ADMIN:
            return self._denied
        return await continuation(handler_call_details)

    def _role(self, details: grpc.HandlerCallDetails) -> Role | None:
        given = [value for key, value in details.invocation_metadata or () if key == HEADER]
        if len(given) != 1 or not isinstance(given[0], str) or given[0][: len(SCHEME)].lower() != SCHEME:
            return None
        return self._tokens.role_of(given[0][len(SCHEME) :].strip())


def _refusing(code: grpc.StatusCode, message: str) -> grpc.RpcMethodHandler:
    async def refuse(request: object, context: grpc.aio.ServicerContext) -> None:
        await context.abort(code, message)

    # The bytes stay bytes: nothing of the message is decoded.
    return grpc.unary_unary_rpc_method_handler(refuse)
