"""One module per subject handles its webhook events; each module here is loaded and registers itself with the router."""

from __future__ import annotations

from bot.events.discovery import modules_in
from bot.events.router import router

modules_in(__name__, __path__)

__all__ = ["router"]
