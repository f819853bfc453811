"""The gRPC services, one module each, with what turns messages into queries and answers into messages."""
