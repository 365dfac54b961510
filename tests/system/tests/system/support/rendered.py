"""Renders templates with parameters as CloudFormation does, and lints what comes out.

Reads {"templates": {NAME: PATH}, "stacks": [{"template": NAME, "region", "parameters"}]} from standard
input. Writes each stack's rendered template, or null where its parameters are refused, and its problems.
"""

import json
import re
import sys

from cfnlint.config import ConfigMixIn, ManualArgs
from cfnlint.decode import cfn_yaml, decode_str
from cfnlint.runner import Runner
from cfnlint.runner.template.runner import run_template_by_data

ACCOUNT = "123456789012"


class Refused(Exception):
    """CloudFormation would refuse the parameters."""


class Nothing:
    """AWS::NoValue."""


def plain(node):
    """The template without the places of its lines."""
    if isinstance(node, dict):
        return {str(key): plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [plain(value) for value in node]
    return str(node) if isinstance(node, str) else node


def value_of(name, declared, given):
    """A parameter's value, by its declaration."""
    text = given.get(name, declared.get("Default"))
    if text is None:
        raise Refused(f"{name} has no value")
    text = str(text)
    if "AllowedPattern" in declared and not re.fullmatch(declared["AllowedPattern"], text):
        raise Refused(f"{name}: {text!r} does not match {declared['AllowedPattern']}")
    if "AllowedValues" in declared and text not in [str(value) for value in declared["AllowedValues"]]:
        raise Refused(f"{name}: {text!r} is not allowed")
    if declared["Type"] == "CommaDelimitedList":
        return [part.strip() for part in text.split(",")]
    if declared["Type"] != "Number":
        return text
    try:
        number = float(text)
    except ValueError as error:
        raise Refused(f"{name}: {text!r} is not a number") from error
    if number < declared.get("MinValue", number) or number > declared.get("MaxValue", number):
        raise Refused(f"{name}: {text} is out of range")
    return text


class Stack:
    """One template with one set of parameters."""

    def __init__(self, template, region, given):
        declared = template.get("Parameters", {})
        unknown = set(given) - set(declared)
        if unknown:
            raise Refused(f"there are no parameters {sorted(unknown)}")
        self.template = template
        self.values = {name: value_of(name, of, given) for name, of in declared.items()}
        self.numbers = {name for name, of in declared.items() if of["Type"] == "Number"}
        self.values |= {
            "AWS::Region": region,
            "AWS::AccountId": ACCOUNT,
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::StackName": "stack",
        }
        self.conditions = {}

    def holds(self, name):
        if name not in self.conditions:
            self.conditions[name] = self.truth(self.template["Conditions"][name])
        return self.conditions[name]

    def truth(self, node):
        ((function, inner),) = node.items()
        if function == "Condition":
            return self.holds(inner)
        if function == "Fn::Equals":
            one, other = (self.text(part) for part in inner)
            return one == other
        if function == "Fn::Not":
            return not self.truth(inner[0])
        if function == "Fn::And":
            return all(self.truth(part) for part in inner)
        if function == "Fn::Or":
            return any(self.truth(part) for part in inner)
        raise ValueError(f"unknown condition {function}")

    def text(self, node):
        return str(self.values[node["Ref"]]) if isinstance(node, dict) else str(node)

    def render(self):
        for rule in self.template.get("Rules", {}).values():
            if "RuleCondition" not in rule or self.truth(rule["RuleCondition"]):
                for assertion in rule["Assertions"]:
                    if not self.truth(assertion["Assert"]):
                        raise Refused(assertion["AssertDescription"])
        kept = {
            part: {
                name: self.node({key: value for key, value in each.items() if key != "Condition"})
                for name, each in self.template.get(part, {}).items()
                if "Condition" not in each or self.holds(each["Condition"])
            }
            for part in ("Resources", "Outputs")
        }
        for resource in kept["Resources"].values():
            define(resource["Properties"])
        return {"AWSTemplateFormatVersion": "2010-09-09", **kept}

    def node(self, node):
        if isinstance(node, list):
            return [part for part in (self.node(part) for part in node) if part is not Nothing]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((function, inner),) = node.items()
            if function == "Ref":
                return self.ref(inner)
            if function == "Fn::If":
                return self.node(inner[1] if self.holds(inner[0]) else inner[2])
            if function == "Fn::Sub":
                return self.sub(inner)
            if function in ("Fn::Select", "Fn::Split", "Fn::Join"):
                return self.joined(function, [self.node(part) for part in inner])
        rendered = {key: self.node(value) for key, value in node.items()}
        return {key: value for key, value in rendered.items() if value is not Nothing}

    def ref(self, name):
        if name == "AWS::NoValue":
            return Nothing
        if name not in self.values:
            return {"Ref": name}
        value = self.values[name]
        return (float(value) if "." in value else int(value)) if name in self.numbers else value

    def sub(self, inner):
        text, own = (inner, {}) if isinstance(inner, str) else inner
        own = {name: self.node(value) for name, value in own.items()}
        left = False

        def filled(match):
            nonlocal left
            name = match[1]
            value = own.get(name, self.values.get(name))
            if not isinstance(value, str):
                left = True
                return match[0]
            return value

        text = re.sub(r"\$\{([^!}]+)\}", filled, text)
        return {"Fn::Sub": text} if left else text

    @staticmethod
    def joined(function, parts):
        if function == "Fn::Split":
            return parts[1].split(parts[0])
        if function == "Fn::Join":
            return parts[0].join(parts[1])
        return parts[1][int(parts[0])]


def define(properties):
    """Fills in a state machine's definition, so that it is linted as it will be."""
    for name, value in properties.pop("DefinitionSubstitutions", {}).items():
        text = value if isinstance(value, str) else f"https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/queue"
        properties["DefinitionString"] = properties["DefinitionString"].replace("${" + name + "}", text)
    if "DefinitionString" in properties:
        try:
            json.loads(properties["DefinitionString"])
        except ValueError as error:
            raise Refused(f"DefinitionString is not JSON: {error}") from error


def detached(node, kept, parameters):
    """A part of a template in which what is not kept has become a parameter."""
    if isinstance(node, list):
        return [detached(part, kept, parameters) for part in node]
    if isinstance(node, str) or not isinstance(node, dict):
        return node
    ((function, inner),) = node.items() if len(node) == 1 else ((None, None),)
    if function == "Fn::GetAtt":
        name, attribute = inner.split(".", 1) if isinstance(inner, str) else inner
        if name not in kept:
            parameters.add(name + attribute)
            return {"Ref": name + attribute}
    elif function == "Ref" and inner not in kept:
        parameters.add(inner)
    elif function == "Fn::Sub":
        parameters.update(name for name in re.findall(r"\$\{([^!}]+)\}", inner) if name not in kept)
    return {key: detached(value, kept, parameters) for key, value in node.items()}


def unseen(rendered, seen):
    """A template of those resources that no earlier stack had as they are."""
    resources = rendered["Resources"]
    text = {name: json.dumps(of, sort_keys=True) for name, of in resources.items()}
    kept = {name: dict(of) for name, of in resources.items() if (name, text[name]) not in seen}
    seen.update(text.items())
    parameters = set()
    for of in kept.values():
        wanted = of.pop("DependsOn", [])
        wanted = [name for name in ([wanted] if isinstance(wanted, str) else wanted) if name in kept]
        if wanted:
            of["DependsOn"] = wanted
    kept = {name: detached(of, kept, parameters) for name, of in kept.items()}
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Parameters": {name: {"Type": "String"} for name in sorted(parameters)},
        "Resources": kept,
    }


def main():
    asked = json.load(sys.stdin)
    templates = {name: plain(cfn_yaml.load(path)) for name, path in asked["templates"].items()}
    rules = Runner(ConfigMixIn()).rules
    seen = set()
    stacks = []
    for stack in asked["stacks"]:
        try:
            rendered = Stack(templates[stack["template"]], stack["region"], stack["parameters"]).render()
        except Refused as refused:
            stacks.append({"rendered": None, "problems": [str(refused)]})
            continue
        part = unseen(rendered, seen)
        problems = []
        if part["Resources"]:
            decoded, problems = decode_str(json.dumps(part))
            config = ConfigMixIn(**ManualArgs(regions=[stack["region"]]))
            problems = problems or list(run_template_by_data(decoded, config, rules))
        stacks.append({
            "rendered": rendered,
            "problems": [f"{problem.rule.id} {'/'.join(map(str, problem.path or []))}: {problem.message}" for problem in problems],
        })
    json.dump(stacks, sys.stdout)


main()
