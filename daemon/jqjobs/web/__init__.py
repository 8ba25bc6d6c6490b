"""The dashboard, to be mounted in an app: `jqjobs.web.Dashboard`. `jqctl web` serves the same by itself.

Needs the extra ``jqjobs[web]``.
"""

from __future__ import annotations

from jqjobs.web.access import Access, Right, everybody
from jqjobs.web.dashboard import Dashboard
from jqjobs.web.http import Request

__all__ = ["Access", "Dashboard", "Request", "Right", "everybody"]
