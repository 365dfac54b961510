"""Transforms a template of SAM as CloudFormation does, with SAM's own code: FROM TO."""

import json
import sys

from boto3.session import Session
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

source, target = sys.argv[1:]
with open(source, encoding="utf-8") as file:
    template = yaml_parse(file.read())
for resource in template["Resources"].values():
    if "CodeUri" in resource["Properties"]:
        # `sam deploy` uploads the file and names the object.
        resource["Properties"]["CodeUri"] = "s3://bucket/function.zip"
transformed = Translator({}, Parser(), boto_session=Session(region_name="us-east-1")).translate(template, {})
with open(target, "w", encoding="utf-8") as file:
    json.dump(transformed, file, indent=1)
