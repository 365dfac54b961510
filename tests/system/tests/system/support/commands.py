"""Checks the AWS CLI's commands of a document against botocore's models of the services.

Reads the document from standard input. Writes the number of its commands and their problems, one a line.
"""

import json
import re
import shlex
import sys

import botocore.session
from botocore import xform_name
from botocore.validate import ParamValidator

# Options of the CLI itself.
OF_CLI = {"region", "query", "output"}


def options(words):
    """The options with their values, or true where one has none."""
    found = {}
    while words:
        name = words.pop(0)
        if not name.startswith("--"):
            raise ValueError(f"{name} is no option")
        found[name[2:]] = words.pop(0) if words and not words[0].startswith("--") else True
    return {name: value for name, value in found.items() if name not in OF_CLI}


def check(session, service, operation, *rest):
    words = list(rest)
    model = session.get_service_model(service)
    if operation == "wait":
        waiters = session.get_waiter_model(service)
        waiter = {xform_name(name, "-"): name for name in waiters.waiter_names}[words.pop(0)]
        operation = xform_name(waiters.get_waiter(waiter).operation, "-")
    name = {xform_name(name, "-"): name for name in model.operation_names}[operation]
    shape = model.operation_model(name).input_shape
    members = {xform_name(member, "-"): member for member in shape.members}
    values = {}
    for option, value in options(words).items():
        if option not in members:
            raise ValueError(f"--{option} is no option of {operation}")
        member = members[option]
        kind = shape.members[member].type_name
        values[member] = json.loads(value) if kind in ("structure", "map", "list") else value
    report = ParamValidator().validate(values, shape)
    if report.has_errors():
        raise ValueError(report.generate_report())


session = botocore.session.Session()
text = sys.stdin.read().replace("\\\n", " ")
commands = re.findall(r"^ *(?:\$ |    )aws (?!login|sso)(.*)$", text, re.MULTILINE)
print(len(commands))
for command in commands:
    try:
        check(session, *shlex.split(command))
    except (KeyError, ValueError) as error:
        print(f"{command}: {error}")
