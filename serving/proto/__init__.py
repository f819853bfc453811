"""Generated gRPC code; see the `.proto` files for the documentation."""
