"""What `ingest` compares the App with: a webhook endpoint in bare FastAPI that checks the signature and keeps nothing."""

from __future__ import annotations

import hashlib
import hmac
import os
import sys

import uvicorn
from fastapi import FastAPI, Request, Response

app = FastAPI(openapi_url=None)
_SECRET = os.environ.get("PEER_SECRET", "").encode()


@app.get("/healthz")
async def alive() -> dict[str, str]:
    """Tell that the process answers."""
    return {"status": "alive"}


@app.post("/webhook")
async def receive(request: Request) -> Response:
    """Check the signature, answer 202 or 401."""
    expected = "sha256=" + hmac.new(_SECRET, await request.body(), hashlib.sha256).hexdigest()
    given = request.headers.get("x-hub-signature-256", "")
    return Response(status_code=202 if hmac.compare_digest(expected.encode(), given.encode()) else 401)


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_config=None, access_log=False, server_header=False)
