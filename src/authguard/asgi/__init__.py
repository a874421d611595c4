"""The ASGI shell: thin, pure ASGI and stateless; reads the scope, calls the enforcer and applies its verdict."""
