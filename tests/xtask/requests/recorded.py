"""Starts moto's or ministack's server, and records what it receives from AWS's SDK for Rust.

usage: recorded.py FILE moto|ministack [ARGUMENT...]

Each line of FILE is a request as JSON: method, uri, headers, and the body in base64.
"""

import base64
import functools
import io
import json
import sys
import threading

# Zips are longer, and a model says nothing about what is in one.
MOST = 1_000_000

# A campaign sends more requests than the check needs.
ENOUGH = 20_000


class Recorder:
    def __init__(self, path):
        self.file = open(path, "a", encoding="utf-8")
        self.lock = threading.Lock()
        self.written = 0

    def write(self, method, uri, headers, body):
        """Writes a request, unless a test has made it by hand."""
        if "aws-sdk-rust/" not in headers.get("user-agent", ""):
            return
        body = base64.b64encode(body).decode() if len(body) <= MOST else None
        line = json.dumps({"method": method, "uri": uri, "headers": headers, "body": body})
        with self.lock:
            if self.written < ENOUGH:
                self.written += 1
                self.file.write(line + "\n")
                self.file.flush()

    def wsgi(self, app):
        def recording(environ, start_response):
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = io.BytesIO(body)
            headers = {
                name[5:].lower().replace("_", "-"): value
                for name, value in environ.items()
                if name.startswith("HTTP_")
            }
            self.write(environ["REQUEST_METHOD"], environ["RAW_URI"], headers, body)
            return app(environ, start_response)

        return recording

    def asgi(self, app):
        async def recording(scope, receive, send):
            if scope["type"] != "http":
                return await app(scope, receive, send)
            body = bytearray()

            async def received():
                message = await receive()
                if len(body) <= MOST:
                    body.extend(message.get("body", b""))
                return message

            try:
                return await app(scope, received, send)
            finally:
                uri = scope["raw_path"].decode("latin-1")
                if scope["query_string"]:
                    uri += "?" + scope["query_string"].decode("latin-1")
                headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
                self.write(scope["method"], uri, headers, bytes(body))

        return recording


def quicken():
    """Has moto compute once what is the same for each request and each event. Nothing else changes.

    It parses the paths of an event's default template anew for each event, computes all attributes of a queue for
    each message that it hands out, and looks for the list of its services on disk for each request: together four
    fifths of what an event costs.
    """
    import jsonpath_ng.ext
    import moto.backends
    import moto.sqs.models as sqs

    def is_kept(self, queue_name, message):
        return self.get_queue(queue_name).message_retention_period + message.sent_timestamp / 1000 > sqs.unix_time()

    services = moto.backends.list_of_moto_modules
    moto.backends.list_of_moto_modules = functools.cache(lambda: list(services()))
    jsonpath_ng.ext.parse = functools.cache(jsonpath_ng.ext.parse)
    sqs.camelcase_to_underscores = functools.cache(sqs.camelcase_to_underscores)
    sqs.SQSBackend.is_message_valid_based_on_retention_period = is_kept


def main():
    path, server, *arguments = sys.argv[1:]
    recorder = Recorder(path)
    sys.argv = [server, *arguments]
    if server == "moto":
        import moto.server

        quicken()
        run = moto.server.run_simple
        moto.server.run_simple = lambda host, port, app, **options: run(host, port, recorder.wsgi(app), **options)
        moto.server.main(arguments)
    else:
        import ministack.app

        ministack.app.app = recorder.asgi(ministack.app.app)
        ministack.app.main()


if __name__ == "__main__":
    main()
