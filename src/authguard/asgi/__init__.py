"""The ASGI shell: thin, pure ASGI, nothing that changes; reads a scope, asks the enforcer, carries out its verdict."""
