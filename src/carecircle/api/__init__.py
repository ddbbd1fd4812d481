"""The HTTP door: AuthZEN evaluation, health, metrics, OpenAPI."""
