"""Checks recorded requests to AWS against botocore's models of the services.

usage: check.py FILE...

Each request is read off the wire and held against the input of its operation. Then one request of each operation is
spoiled, one member at a time: each has to be noticed.
"""

import base64
import copy
import json
import sys

import botocore.session

from members import problems, spoiled
from wire import Unreadable, read, signing_name


class Models:
    """The models of the services, by the name that signs their requests."""

    def __init__(self):
        self.loader = botocore.session.get_session()
        self.models = {}
        # Those that are signed under another name than their model has.
        self.names = {"servicequotas": "service-quotas"}

    def of(self, name):
        if name not in self.models:
            self.models[name] = self.loader.get_service_model(self.names.get(name, name))
        return self.models[name]


class Request:
    """A request as it was recorded."""

    def __init__(self, line):
        recorded = json.loads(line)
        self.method, self.uri, self.headers = recorded["method"], recorded["uri"], recorded["headers"]
        self.has_body = recorded["body"] is not None
        self.body = base64.b64decode(recorded["body"] or "")
        self.service = signing_name(self.headers)

    def read(self, model):
        return read(model, self.method, self.uri, self.headers, self.body)

    def wrong(self, model, shape):
        """The same request with one thing more than the model knows, in each place that has a place for it."""
        places = []
        if model.protocol == "query":
            places.append({"body": self.body + b"&Wrong=x"})
        elif model.protocol in ("json", "rest-json") and shape and "payload" not in shape.serialization:
            places.append({"body": json.dumps({**json.loads(self.body or b"{}"), "Wrong": "x"}).encode()})
        if model.protocol.startswith("rest-"):
            places.append({"uri": self.uri + ("&" if "?" in self.uri else "?") + "wrong=x"})
            places.append({"headers": {**self.headers, "x-amz-wrong": "x"}})
        for place in places:
            other = copy.copy(self)
            vars(other).update(place)
            yield other


def main(paths):
    models, wrong, seen, count = Models(), {}, {}, 0
    for path in paths:
        with open(path, encoding="utf-8") as lines:
            requests = [Request(line) for line in lines]
        # Without a signature there are only exchanges of credentials.
        for request in (request for request in requests if request.has_body and request.service):
            count += 1
            try:
                model = models.of(request.service)
                name, shape, parameters = request.read(model)
            except (Unreadable, LookupError, ValueError) as error:
                wrong[f"{request.service} {request.method} {request.uri}: {error!r}"] = path
                continue
            at = f"{request.service}:{name}"
            found = list(problems(shape, parameters, at))
            wrong.update(dict.fromkeys(found, path))
            if not found:
                seen.setdefault(at, (request, model, shape, parameters))
    for problem, path in sorted(wrong.items()):
        print(f"{path}: {problem}", file=sys.stderr)
    ways, blind = 0, []
    for at, (request, model, shape, parameters) in seen.items():
        spoilt = [(shape, other) for other in spoiled(shape, parameters)]
        spoilt += [other.read(model)[1:] for other in request.wrong(model, shape)]
        ways += len(spoilt)
        blind += [f"{at} {other!r:.300}" for shape, other in spoilt if not any(problems(shape, other, at))]
    for unnoticed in blind:
        print(f"not noticed: {unnoticed}", file=sys.stderr)
    print(f"{count} requests of {len(seen)} operations, {len(wrong)} wrong; of {ways} spoilt ones {len(blind)} not noticed")
    return 1 if wrong or blind else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
