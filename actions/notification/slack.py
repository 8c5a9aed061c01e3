"""Slack: a message in Block Kit format, and the call that posts it."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from actions.context import Context
from actions.contracts.channels import ChannelError, Line, SlackAccess, SlackChannel, missing
from actions.errors import Unavailable
from actions.notification.templates import Message, for_slack, plain
from actions.operation import Result, operation
from actions.text.markdown import shorten

MAX_SECTION = 2_900
_MAX_SECTIONS = 5
_MAX_HEADER = 150
_TEMPORARY = {
    "fatal_error", "internal_error", "ratelimited", "rate_limited", "request_timeout", "service_unavailable",
    "team_added_to_org", "external_channel_migrating",
}  # fmt: skip
"""Slack's errors that are temporary."""
_NEXT_STEPS = {
    "channel_not_found": "Name an existing channel. For a private channel, invite the app and use the channel's id.",
    "not_in_channel": "Invite the app to the channel.",
    "is_archived": "Name a channel that is not archived.",
    "missing_scope": "Give the Slack app the scope chat:write.",
    "invalid_auth": "Set MODELYARD_SLACK_TOKEN to a valid token.",
    "token_revoked": "Set MODELYARD_SLACK_TOKEN to a valid token.",
}


def to_blocks(message: Message, footer: str) -> list[dict[str, Any]]:
    """Return a message as blocks: a header, the text, and the footer, which must be in Slack's format already."""
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": _cut(message.title, _MAX_HEADER), "emoji": False}}
    ]
    blocks += [{"type": "section", "text": _mrkdwn(part)} for part in _parts(message.body)]
    return [*blocks, {"type": "context", "elements": [_mrkdwn(_cut(footer, MAX_SECTION))]}]


def _mrkdwn(text: str) -> dict[str, Any]:
    # verbatim: Slack must not turn plain text into links, mentions or channels.
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _cut(text: str, limit: int) -> str:
    """Shorten a text, but never within an escape such as `&amp;`."""
    cut = shorten(text, limit)
    start = cut.rfind("&")
    return cut if cut == text or start < 0 or ";" in cut[start:] else cut[:start] + "…"


def _parts(body: str) -> list[str]:
    """Split a text at line ends into as few sections as possible."""
    parts: list[str] = []
    for line in body.split("\n"):
        line = _cut(line, MAX_SECTION)  # noqa: PLW2901 - the same line, cut
        if parts and len(parts[-1]) + len(line) < MAX_SECTION:
            parts[-1] += f"\n{line}"
        else:
            parts.append(line)
    return [part for part in parts if part.strip()][:_MAX_SECTIONS]


def post(access: SlackAccess, channel: str, message: Message, footer: str) -> str:
    """Post a message and return its timestamp, which is its id in the channel.

    Raises
    ------
    ChannelError
        If Slack refused the message; ``transient`` if it may accept it later.
    """
    try:
        from slack_sdk import WebClient
        from slack_sdk.errors import SlackApiError, SlackClientError
    except ImportError:
        raise Unavailable(
            "slack_sdk_missing",
            rule="Slack notifications need the package slack-sdk.",
            found="It is not installed.",
            next_step="In Modelyard's clone: pip install -c requirements/dev.txt '.[slack]'",
        ) from None

    class Client(WebClient):
        """Slack's client, but an answer that redirects takes the token nowhere."""

        def _perform_urllib_http_request_internal(self, url: str, req: Any) -> dict[str, Any]:
            req.add_unredirected_header("Authorization", req.headers.pop("Authorization"))
            return super()._perform_urllib_http_request_internal(url, req)

    # The caller decides when to retry, so the client must not.
    client = Client(
        token=access.token, base_url=access.api_url, timeout=max(1, round(access.seconds)), retry_handlers=[]
    )
    try:
        answer = client.chat_postMessage(
            channel=channel,
            text=_cut(f"{message.title} ({footer})", MAX_SECTION),
            blocks=to_blocks(message, footer),
            unfurl_links=False,
            unfurl_media=False,
        )
    except SlackApiError as error:
        raise _refused(channel, error.response) from None
    except (SlackClientError, OSError, http.client.HTTPException, ValueError) as error:
        raise ChannelError(
            "slack_unreachable",
            rule=f"Slack must answer within {access.seconds:g} seconds.",
            found=f"{type(error).__name__}: {error}",
            next_step="Wait: Modelyard tries again.",
            transient=True,
        ) from None
    return str(answer.get("ts") or "")


def _refused(channel: str, response: Any) -> ChannelError:
    data = response.data if isinstance(response.data, Mapping) else {}
    reason = plain(data.get("error") or "")[:100]
    transient = reason in _TEMPORARY or response.status_code >= http.client.INTERNAL_SERVER_ERROR
    transient = transient or response.status_code == http.client.TOO_MANY_REQUESTS
    headers = {str(name).lower(): value for name, value in response.headers.items()}
    return ChannelError(
        "slack_refused",
        rule=f"Slack must accept messages for {channel}.",
        found=f"HTTP {response.status_code}: {reason or 'no reason'}",
        next_step="Wait: Modelyard tries again."
        if transient
        else _NEXT_STEPS.get(reason, "Look up the reason in Slack's documentation."),
        transient=transient,
        retry_after=_seconds(headers.get("retry-after")),
    )


def _seconds(value: object) -> float:
    text = str(value[0] if isinstance(value, list) and value else value)
    return float(text) if text.isdecimal() and len(text) < 6 else 0  # noqa: PLR2004 - a day at most


class SlackMessage(Result):
    """The message that was posted."""

    channel: str
    ts: str = Field(description="the message's id in its channel")


@operation(where="app", open_to_agents="It tells people something, and changes nothing.")
def notify_slack(
    channel: SlackChannel,
    title: Line,
    text: Annotated[str, Field(min_length=1, max_length=10_000)],
    context: Context,
    about: Annotated[str, Field(max_length=300)] = "",
) -> SlackMessage:
    """Post a message to a Slack channel. The text is shown literally.

    Parameters
    ----------
    channel
        The channel's id, or its name with a #.
    title
        One line.
    text
        The message. Line breaks are kept; markup and mentions have no effect.
    about
        What the message is about, such as a run's id. Shown below the message.

    Raises
    ------
    ChannelError
        ``slack_refused``: Slack rejected the message. ``slack_unreachable``: Slack did not answer in time.
    Unavailable
        ``slack_not_configured``: no Slack token is configured. ``slack_sdk_missing``: the package slack-sdk is not
        installed. ``channel_misconfigured``.

    Examples
    --------
    >>> from pathlib import Path
    >>> from actions.contracts.channels import EnvironmentChannels  # MODELYARD_SLACK_TOKEN
    >>> from actions.storage.folder import Storage
    >>> context = Context(Storage(Path("storage")), channels=EnvironmentChannels())
    >>> notify_slack("#models", "flowers passed", "accuracy: 0.97", context, about="train-20261122-001").channel
    '#models'
    """
    access = context.channels.slack if context.channels is not None else None
    if access is None:
        raise missing("slack")
    body = "\n".join(for_slack(line) for line in text.splitlines())
    ts = post(access, channel, Message(for_slack(title), body), for_slack(about) or "Modelyard")
    return SlackMessage(channel=channel, ts=ts)
