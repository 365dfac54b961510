"""Holds parameters against the model of a service: names, required members, types, values, lengths and patterns."""

import re

TYPES = {
    "boolean": bool,
    "double": (int, float),
    "float": (int, float),
    "integer": int,
    "list": list,
    "long": int,
    "map": dict,
    "string": str,
    "structure": dict,
}

# Lengths that the models lack: the shape, the most.
LENGTHS = {
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
    "TemplateBody": 51_200,
}

# Classes of characters that Python's expressions lack. AWS has them in the patterns of tags.
CLASSES = {r"\p{L}": r"\w", r"\p{M}": r"\w", r"\p{N}": r"\d", r"\p{P}": r"\W", r"\p{S}": r"\W", r"\p{Z}": r"\s"}


def expression(pattern):
    for java, python in CLASSES.items():
        pattern = pattern.replace(java, python)
    return re.compile(pattern.replace(r"[\w-_]", r"[\w\-_]"))


def problems(shape, value, at):
    """What is wrong with a value, one text each."""
    if shape is None:
        if value:
            yield f"{at}: the operation takes no parameters"
        return
    kind = TYPES.get(shape.type_name)
    if kind and (not isinstance(value, kind) or (isinstance(value, bool) and shape.type_name != "boolean")):
        yield f"{at}: {value!r:.80} is no {shape.type_name}"
        return
    if shape.type_name == "structure":
        for name in shape.required_members:
            if value.get(name) is None:
                yield f"{at}.{name}: is required"
        if shape.metadata.get("union") and len(value) != 1:
            yield f"{at}: is one of {', '.join(shape.members)}"
        for name, inner in value.items():
            if name not in shape.members:
                yield f"{at}.{name}: there is no such member"
            elif inner is not None:
                yield from problems(shape.members[name], inner, f"{at}.{name}")
    elif shape.type_name == "list":
        yield from length(shape, len(value), at)
        for number, inner in enumerate(value):
            yield from problems(shape.member, inner, f"{at}[{number}]")
    elif shape.type_name == "map":
        yield from length(shape, len(value), at)
        for name, inner in value.items():
            yield from problems(shape.key, name, f"{at}[{name!r}]")
            yield from problems(shape.value, inner, f"{at}[{name!r}]")
    elif shape.type_name == "string":
        if shape.enum and value not in shape.enum:
            yield f"{at}: {value!r:.80} is none of {', '.join(shape.enum)}"
        yield from length(shape, len(value), at)
        pattern = shape.metadata.get("pattern")
        if pattern and not expression(pattern).fullmatch(value):
            yield f"{at}: {value!r:.80} is not as {pattern}"
    elif shape.type_name == "blob":
        yield from length(shape, len(value), at)
    elif shape.type_name in ("integer", "long", "float", "double"):
        yield from length(shape, value, at)


def length(shape, number, at):
    least, most = shape.metadata.get("min"), shape.metadata.get("max", LENGTHS.get(shape.name))
    if least is not None and number < least:
        yield f"{at}: has {number}, and {least} is the least"
    if most is not None and number > most:
        yield f"{at}: has {number}, and {most} is the most"


def spoiled(shape, value):
    """The same parameters with one member wrong, in each way that a model can notice."""
    if shape is None:
        yield {"Wrong": "x"}
    elif shape.type_name == "structure":
        yield {**value, "Wrong": "x"}
        for name, inner in value.items():
            if name in shape.required_members:
                yield {other: kept for other, kept in value.items() if other != name}
            for wrong in spoiled(shape.members[name], inner):
                yield {**value, name: wrong}
    elif shape.type_name == "list":
        yield {}
        for number, inner in enumerate(value[:1]):
            for wrong in spoiled(shape.member, inner):
                yield [*value[:number], wrong, *value[number + 1 :]]
    elif shape.type_name == "map":
        yield []
    elif shape.type_name in TYPES:
        yield [value]
        most = shape.metadata.get("max")
        if shape.type_name == "string" and most and most < 100_000:
            yield "x" * (most + 1)
        if shape.type_name == "string" and shape.enum:
            yield f"{value}X"
        if shape.type_name == "string" and shape.metadata.get("pattern"):
            yield f"{value}\n"
