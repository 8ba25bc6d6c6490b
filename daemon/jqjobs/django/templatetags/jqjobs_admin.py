"""The link to the dashboard in the index of the admin."""

from __future__ import annotations

from typing import Any

from django import template

register = template.Library()


@register.simple_tag(takes_context=True)
def jqjobs_dashboard(context: Any) -> str:
    """Return where the dashboard is; "" for whoever may not look, and where it is not mounted."""
    from jqjobs.django.dashboard import link_for

    try:
        return link_for(context["request"].user)
    except ImportError:  # without jqjobs[web]
        return ""
