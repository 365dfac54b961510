"""Transforms a template of SAM as CloudFormation does, with SAM's own code: FROM TO.

Fails where another deployment's id publishes no version of the function.
"""

import json
import sys

from boto3.session import Session
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

source, target = sys.argv[1:]


def transformed(deployment):
    with open(source, encoding="utf-8") as file:
        template = yaml_parse(file.read())
    for resource in template["Resources"].values():
        if "CodeUri" in resource["Properties"]:
            # `sam deploy` uploads the file and names the object.
            resource["Properties"]["CodeUri"] = "s3://bucket/function.zip"
    translator = Translator({}, Parser(), boto_session=Session(region_name="us-east-1"))
    return translator.translate(template, {"DeploymentId": deployment})


def versions(template):
    return [name for name, of in template["Resources"].items() if of["Type"] == "AWS::Lambda::Version"]


first = transformed("first")
if not versions(first) or set(versions(first)) & set(versions(transformed("second"))):
    sys.exit(f"{source}: a changed DeploymentId publishes no version")
with open(target, "w", encoding="utf-8") as file:
    json.dump(first, file, indent=1)
