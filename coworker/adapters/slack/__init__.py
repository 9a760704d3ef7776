"""Slack over Socket Mode: `platform.Slack`. Only its edge files import Slack's libraries."""
