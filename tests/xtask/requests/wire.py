"""Reads the parameters of a request to AWS off the wire, as the model of its service names them.

What the model does not know stays in the parameters under its own name, so that the check of the members finds it.
"""

import json
import re
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.etree import ElementTree

# Headers that are the signature's, the transport's or the SDK's own, of any operation.
OF_ANY = {
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-security-token",
    "x-amz-target",
    "x-amz-trailer",
    "x-amz-user-agent",
    "x-amzn-query-mode",
}


class Unreadable(Exception):
    """The request is none that the model knows."""


def signing_name(headers):
    """The service, from the signature."""
    found = re.search(r"Credential=[^/]+/\d{8}/([^/]+)/([^/]+)/aws4_request", headers.get("authorization", ""))
    return found and found.group(2)


def read(model, method, uri, headers, body):
    """The name of the operation, its input's shape and its parameters."""
    if model.protocol == "json":
        operation = model.operation_model(headers["x-amz-target"].rsplit(".", 1)[-1])
        return operation.name, operation.input_shape, of_json(operation.input_shape, json.loads(body or b"{}"))
    if model.protocol == "query":
        form = dict(parse_qsl(body.decode(), keep_blank_values=True))
        operation = model.operation_model(form.pop("Action"))
        if form.pop("Version") != model.api_version:
            raise Unreadable("another version of the API")
        return operation.name, operation.input_shape, of_form(operation.input_shape, tree(form))
    return rest(model, method, uri, headers, body)


def rest(model, method, uri, headers, body):
    parts = urlsplit(uri)
    path, query = parts.path, parse_qsl(parts.query, keep_blank_values=True)
    if model.signing_name == "s3" and (bucket := re.match(r"([^.]+)\.s3[.-]", parts.netloc)):
        path = f"/{bucket.group(1)}{path}"
    names = dict(query)
    fitting = []
    for operation in map(model.operation_model, model.operation_names):
        template = urlsplit(operation.http["requestUri"])
        literals = dict(parse_qsl(template.query, keep_blank_values=True))
        labels = re.fullmatch(pattern(template.path), path.rstrip("/") or "/")
        if operation.http["method"] != method or not labels or not literals.items() <= names.items():
            continue
        shape = operation.input_shape
        members = shape.members.items() if shape else []
        located = {
            name: (member.serialization.get("location"), member.serialization.get("name", name))
            for name, member in members
        }
        required = [located[name] for name in (shape.required_members if shape else [])]
        if any(place == "querystring" and name not in names for place, name in required):
            continue
        if any(place == "header" and name.lower() not in headers for place, name in required):
            continue
        fitting.append(((len(literals), len(required), -len(labels.groupdict())), operation, literals, located, labels))
    if not fitting:
        raise Unreadable("no operation has this path")
    _, operation, literals, located, labels = max(fitting, key=lambda one: one[0])
    shape = operation.input_shape
    parameters = {}
    for name, (place, serialized) in located.items():
        member = shape.members[name]
        if place == "uri":
            parameters[name] = scalar(member, unquote(labels[serialized]))
        elif place == "querystring" and serialized in names:
            values = [value for key, value in query if key == serialized]
            parameters[name] = values if member.type_name == "list" else scalar(member, values[0])
        elif place == "header" and serialized.lower() in headers:
            parameters[name] = scalar(member, headers[serialized.lower()])
        elif place == "headers":
            prefix = serialized.lower()
            parameters[name] = {key: value for key, value in headers.items() if key.startswith(prefix)}
    known = {serialized for place, serialized in located.values() if place == "querystring"} | literals.keys()
    parameters.update({name: value for name, value in query if name not in known and name != "x-id"})
    known = {serialized.lower() for place, serialized in located.values() if place == "header"} | OF_ANY
    unknown = {name for name in headers if name.startswith("x-amz-") and name not in known}
    parameters.update({name: headers[name] for name in unknown if not name.startswith("x-amz-checksum-")})
    payload = shape and shape.serialization.get("payload")
    if payload and shape.members[payload].type_name == "blob":
        parameters[payload] = body
    elif payload and shape.members[payload].type_name == "string":
        parameters[payload] = body.decode()
    elif payload and body:
        parameters[payload] = document(model, shape.members[payload], body)
    elif shape and body:
        parameters.update(document(model, shape, body))
    return operation.name, shape, parameters


def pattern(path):
    """A template of a path as a regular expression."""
    label = re.compile(r"\{(\w+)(\+?)\}")
    parts, at = [], 0
    for found in label.finditer(path):
        parts += [re.escape(path[at : found.start()]), f"(?P<{found[1]}>{'.+' if found[2] else '[^/]+'})"]
        at = found.end()
    return "".join(parts) + re.escape(path[at:].rstrip("/")) or "/"


def document(model, shape, body):
    if model.protocol == "rest-xml":
        try:
            return of_xml(shape, ElementTree.fromstring(body))
        except ElementTree.ParseError as error:
            raise Unreadable(f"no XML for {shape.name}: {error}") from error
    return of_json(shape, json.loads(body))


def serialized_names(shape):
    """The members by their names on the wire."""
    return {member.serialization.get("name", name): (name, member) for name, member in shape.members.items()}


def of_structure(shape, value, of_member):
    """The members by their names in the model. One that the model lacks keeps its own."""
    names = serialized_names(shape)
    read = {}
    for key, inner in value.items():
        name, member = names.get(key, (key, None))
        read[name] = of_member(member, inner)
    return read


def of_json(shape, value):
    if shape is None:
        return value
    if shape.type_name == "structure" and isinstance(value, dict):
        return of_structure(shape, value, of_json)
    if shape.type_name == "list" and isinstance(value, list):
        return [of_json(shape.member, inner) for inner in value]
    if shape.type_name == "map" and isinstance(value, dict):
        return {key: of_json(shape.value, inner) for key, inner in value.items()}
    return value


def tree(form):
    """The form's names, split at their dots."""
    root = {}
    for name, value in form.items():
        *path, last = name.split(".")
        at = root
        for part in path:
            at = at.setdefault(part, {})
        at[last] = value
    return root


def of_form(shape, value):
    if shape is None:
        return value
    if shape.type_name == "structure" and isinstance(value, dict):
        return of_structure(shape, value, of_form)
    if shape.type_name == "list" and value == "":
        return []
    if shape.type_name == "list" and isinstance(value, dict):
        numbered = value if shape.serialization.get("flattened") else value.get("member", {})
        numbers = sorted(numbered, key=int)
        if numbers != [str(number + 1) for number in range(len(numbers))]:
            raise Unreadable("a list's numbers are not in a row")
        return [of_form(shape.member, numbered[number]) for number in numbers]
    return scalar(shape, value)


def of_xml(shape, element):
    if shape.type_name == "structure":
        names = serialized_names(shape)
        read = {}
        for child in element:
            tag = child.tag.rsplit("}", 1)[-1]
            name, member = names.get(tag, (tag, None))
            if member is None:
                read[name] = child.text
            elif member.type_name == "list" and member.serialization.get("flattened"):
                read.setdefault(name, []).append(of_xml(member.member, child))
            else:
                read[name] = of_xml(member, child)
        return read
    if shape.type_name == "list":
        return [of_xml(shape.member, child) for child in element]
    return scalar(shape, element.text or "")


def scalar(shape, text):
    """A value of a text; the text where it is none of that type."""
    if not isinstance(text, str):
        return text
    try:
        if shape.type_name in ("integer", "long"):
            return int(text)
        if shape.type_name in ("float", "double"):
            return float(text)
    except ValueError:
        return text
    if shape.type_name == "boolean":
        return {"true": True, "false": False}.get(text, text)
    return text
