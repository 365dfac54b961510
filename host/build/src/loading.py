# What the modules of a rule in Python ask of a clock or of chance while they are loaded, one a line: file, line
# and name. A component is what they leave behind, so that it would be the build's, the same for every request.

import ast
import os
import sys

MODULES = {"random", "secrets"}
CALLS = {
    "time.time",
    "time.time_ns",
    "time.monotonic",
    "time.monotonic_ns",
    "time.perf_counter",
    "time.localtime",
    "time.gmtime",
    "time.strftime",
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "datetime.datetime.today",
    "datetime.date.today",
    "uuid.uuid1",
    "uuid.uuid4",
    "os.urandom",
    "tenet.now",
    "tenet.new_uuid",
}


class Loaded(ast.NodeVisitor):
    """What is run when a module is loaded: all but the bodies of its functions."""

    def __init__(self):
        self.meant, self.found = {}, []

    def visit_Import(self, node):
        for name in node.names:
            self.meant[name.asname or name.name.split(".")[0]] = name.name if name.asname else name.name.split(".")[0]

    def visit_ImportFrom(self, node):
        for name in node.names:
            self.meant[name.asname or name.name] = f"{node.module}.{name.name}"

    def visit_If(self, node):
        # What is done for a module that is run as a program is not done here.
        if "__name__" not in ast.unparse(node.test):
            self.generic_visit(node)

    def visit_FunctionDef(self, node):
        defaults = [default for default in node.args.kw_defaults if default is not None]
        for part in [*node.decorator_list, *node.args.defaults, *defaults]:
            self.visit(part)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node):
        pass

    def visit_Call(self, node):
        name = self.named(node.func)
        is_seeded = name == "random.Random" and node.args
        if name in CALLS or (name.split(".")[0] in MODULES and not is_seeded):
            self.found.append((node.lineno, name))
        self.generic_visit(node)

    def named(self, node):
        if isinstance(node, ast.Name):
            return self.meant.get(node.id, "")
        if isinstance(node, ast.Attribute):
            owner = self.named(node.value)
            return f"{owner}.{node.attr}" if owner else ""
        return ""


def imported(tree):
    """The names of the modules that are imported, and of what may be modules in them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


main, *folders = sys.argv[1:]
left, seen = [main], set()
while left:
    file = left.pop()
    if file in seen or os.path.basename(file) == "tenet.py" or not os.path.isfile(file):
        continue
    seen.add(file)
    with open(file, "rb") as source:
        try:
            tree = ast.parse(source.read())
        except SyntaxError:
            # The compiler says it better.
            continue
    loaded = Loaded()
    loaded.visit(tree)
    for line, name in loaded.found:
        print(f"{line}\t{name}\t{file}")
    for name in imported(tree):
        for folder in folders:
            place = os.path.join(folder, *name.split("."))
            left += [f"{place}.py", os.path.join(place, "__init__.py")]
