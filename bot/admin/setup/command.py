"""``modelyard setup``: runs the server and prints the URL that opens it."""

from __future__ import annotations

import sys
from typing import Any

from bot.admin.setup.server import Defaults, Setup


def serve(defaults: Defaults, host: str, port: int) -> int:
    """Serve ``/setup`` until SIGINT or SIGTERM; print the URL that opens it.

    Parameters
    ----------
    defaults
        The initial values of the first page.
    host, port
        The address to listen on; port 0 is a free one.

    Returns
    -------
    int
        The process's exit code.
    """
    import uvicorn

    from bot.observability import log_format

    log_format.set_up("WARNING", [])
    setup = Setup(defaults)

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            if self.started:
                listening = self.servers[0].sockets[0].getsockname()[1]
                _announce(host, listening, setup.session.token)

    config: dict[str, Any] = {"log_config": None, "access_log": False, "server_header": False, "proxy_headers": False}
    server = Server(
        uvicorn.Config(setup.app(), host=host, port=port, lifespan="off", timeout_graceful_shutdown=2, **config)
    )
    server.run()
    return 0 if server.started else 1


def _announce(host: str, port: int, token: str) -> None:
    named = "127.0.0.1" if host in ("0.0.0.0", "::", "") else f"[{host}]" if ":" in host else host  # noqa: S104
    sys.stdout.write(
        f"Open this URL in your browser; it works once:\n\n  http://{named}:{port}/setup?token={token}\n\n"
        "Press Ctrl-C to stop.\n"
    )
    sys.stdout.flush()
