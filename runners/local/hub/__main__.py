"""``python -m runners.local.hub --root DIR``: serve a hub; once it is ready, one JSON line on stdout has its address."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from pathlib import Path

from runners.local.hub.editions import EDITIONS, GITHUB_COM
from runners.local.hub.hub import Hub
from runners.local.hub.seed import Setup, set_up
from runners.local.hub.server import bind, serving


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM."""
    options = _parser().parse_args(arguments)
    listening, base_url = bind(options.port)
    hub = Hub.open(options.root, base_url, webhooks_enabled=not options.no_webhooks, edition=EDITIONS[options.edition])
    setup = Setup(
        repository=options.repository,
        private=not options.public,
        import_from=options.import_from,
        webhook_url=options.webhook_url,
        webhook_secret=options.webhook_secret,
    )
    ready = set_up(hub, setup)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with serving(hub, listening):
        sys.stdout.write(json.dumps(ready.json(hub)) + "\n")
        sys.stdout.flush()
        stop.wait()
    hub.close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m runners.local.hub", description="Serve a local hub on loopback.")
    parser.add_argument("--root", type=Path, required=True, help="folder of the hub's state; created if missing")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: a free one)")
    parser.add_argument(
        "--as",
        dest="edition",
        choices=EDITIONS,
        default=GITHUB_COM.name,
        help="the GitHub to behave as (default: github.com)",
    )
    parser.add_argument("--repository", default="owner/demo", help="the repository OWNER/NAME (default: owner/demo)")
    parser.add_argument("--public", action="store_true", help="make the repository public")
    parser.add_argument(
        "--import-from", type=Path, help="local git repository whose HEAD becomes the content of a new repository"
    )
    parser.add_argument("--webhook-url", default="", help="URL of the App's webhook; without it nothing is delivered")
    parser.add_argument("--webhook-secret", default="", help="secret that signs deliveries")
    parser.add_argument("--no-webhooks", action="store_true", help="deliver no webhooks")
    return parser


if __name__ == "__main__":
    sys.exit(main())
