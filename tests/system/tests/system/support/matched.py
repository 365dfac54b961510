"""Matches events against event patterns as moto's EventBridge does.

Reads {"patterns": [TEXT], "events": [OBJECT]} from standard input. Writes for each event the patterns, by
their places, that it matches.
"""

import json
import sys

from moto.events.models import EventPattern

asked = json.load(sys.stdin)
patterns = [EventPattern.load(text) for text in asked["patterns"]]
json.dump(
    [[place for place, pattern in enumerate(patterns) if pattern.matches_event(event)] for event in asked["events"]],
    sys.stdout,
)
