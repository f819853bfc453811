"""Who may call what: tokens with roles, and TLS."""

from serving.security.interceptor import AuthenticationInterceptor
from serving.security.tls import server_credentials
from serving.security.tokens import Role, TokenFile

__all__ = ["AuthenticationInterceptor", "Role", "TokenFile", "server_credentials"]
