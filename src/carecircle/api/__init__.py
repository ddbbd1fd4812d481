"""The HTTP door: AuthZEN evaluation, the routes under /v1, health, metrics, OpenAPI."""
