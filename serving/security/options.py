"""Limits that the gRPC core enforces before anything is allocated or decoded."""

from __future__ import annotations

from serving.config import LimitsConfig

METADATA_BYTES = 16 << 10


def server_options(limits: LimitsConfig) -> list[tuple[str, int]]:
    """Options of a server: sizes, keepalive, and connections that end now and then so that load spreads anew."""
    return [
        ("grpc.max_receive_message_length", limits.message_bytes),
        ("grpc.max_metadata_size", METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", 2 * METADATA_BYTES),
        # Callers may ping every ten seconds, also between calls; who pings more often is cut off.
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        # Ask after a silent connection each minute, and drop it when it does not answer.
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.max_connection_age_ms", 30 * 60_000),
        ("grpc.max_connection_age_grace_ms", 60_000),
    ]
