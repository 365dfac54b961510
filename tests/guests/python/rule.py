"""A rule that asks its machine for all that differs from run to run, and finds nothing."""

import json
import os
import time
import uuid

import wit_world
from wit_world import Verdict_Accept


class WitWorld(wit_world.WitWorld):
    def evaluate(self, request):
        print("hello from python")
        began = time.monotonic()
        time.sleep(3600)
        try:
            files = str(os.listdir("/"))
        except OSError:
            files = "none"
        return Verdict_Accept(
            json.dumps(
                {
                    "time": time.time(),
                    "slept": time.monotonic() - began,
                    "uuid": str(uuid.uuid4()),
                    "environment": dict(os.environ),
                    "files": files,
                    "hash": hash(request.payload),
                }
            )
        )

    def describe(self):
        return "{}"
