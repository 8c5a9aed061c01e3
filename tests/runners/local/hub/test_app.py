"""The hub as a whole: by which names it is reached."""

from __future__ import annotations

import socket

import httpx
import pytest

from tests.support.local_hub import RunningHub

EVERYWHERE = (
    "/",
    "/owner/demo",
    "/static/hub.css",
    "/api/v3/meta",
    "/owner/demo.git/info/refs?service=git-upload-pack",
    "/_logs/1",
    "/api/v3/nothing",
)
"""A path of every part: pages, files, REST, git, logs, and what is not there."""


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "192.168.0.7:8000",
        "127.0.0.1:x",
        "[::2]",
        "evillocalhost",
        ".localhost",
    ],
)
def test_another_hosts_name_is_refused_so_that_a_rebound_address_reads_nothing(
    local_hub: RunningHub, host: str
) -> None:
    with httpx.Client(base_url=local_hub.url, headers={"Host": host}) as client:
        assert {client.get(path).status_code for path in EVERYWHERE} == {421}


def test_a_request_that_names_no_host_or_two_is_refused(local_hub: RunningHub) -> None:
    for hosts in ("", "Host: 127.0.0.1\r\nHost: evil.example\r\n"):
        answer = _raw(local_hub, f"GET /api/v3/meta HTTP/1.0\r\n{hosts}\r\n")
        assert answer.split()[1] in ("400", "421")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:9", "localhost", "LOCALHOST:8000", "[::1]:80", "hub.localhost", "a.b.localhost:1"]
)
def test_this_machines_own_names_are_answered(local_hub: RunningHub, host: str) -> None:
    with httpx.Client(base_url=local_hub.url, headers={"Host": host}) as client:
        assert client.get("/").status_code == 200
        assert client.get("/api/v3/meta").status_code == 200


def _raw(hub: RunningHub, request: str) -> str:
    address = httpx.URL(hub.url)
    with socket.create_connection((address.host, address.port or 80), timeout=10) as connection:
        connection.sendall(request.encode())
        return connection.recv(4096).decode()
