"""Who may import whom in this house, and how light the two entries are that people wait for."""

import ast
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# A part of the library imports from its own line and the lines above it, never from below.
LEVELS = [
    ("errors", "files", "characters", "config", "yaml_config", "layers", "metrics"),
    ("backbone", "tokenizers", "checkpoints", "presets"),
    ("data", "training", "export"),
    ("tasks",),
    ("cli",),
]
TFX = {"tfx", "tfx_bsl", "ml_metadata", "apache_beam"}
TFX |= {"tensorflow_transform", "tensorflow_data_validation", "tensorflow_model_analysis", "tensorflow_metadata"}


def sources(*folders):
    """Tracked Python files under the folders; all of them where there is no git."""
    command = ["git", "ls-files", "-z", "--cached", "--", *(f"{folder}/*.py" for folder in folders)]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted(ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).exists())


def imports(path):
    """[(line, full module name)] of every import in the file, inside functions too."""
    package = path.relative_to(ROOT).parent.parts
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) + 1 - node.level]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            found += [(node.lineno, f"{module}.{alias.name}") for alias in node.names]
    return found


def offences(paths, forbidden):
    """["file:line imports module"] for the imports that `forbidden(module)` is true of."""
    return [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for path in paths
        for line, module in imports(path)
        if forbidden(module)
    ]


def inside(module, *packages):
    return any(module == package or module.startswith(package + ".") for package in packages)


def test_nobody_uses_the_keras_inside_tensorflow():
    """After TensorFlow Transform is imported it is Keras 2."""
    found = offences(sources("."), lambda module: inside(module, "tensorflow.keras"))
    for path in sources("."):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr == "keras" and isinstance(node.value, ast.Name):
                if node.value.id in ("tf", "tensorflow"):
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert found == []


def test_layers_run_on_any_keras_backend():
    assert offences(sources("bert_keras/layers"), lambda m: inside(m, "tensorflow", "tensorflow_text")) == []


def test_only_pipelines_imports_tfx():
    elsewhere = [path for path in sources(".") if "pipelines" not in path.relative_to(ROOT).parts]
    assert offences(elsewhere, lambda module: module.split(".")[0] in TFX) == []


def test_the_library_imports_downward_only():
    level_of = {name: level for level, names in enumerate(LEVELS) for name in names}
    found = []
    for path in sources("bert_keras"):
        part = path.relative_to(ROOT / "bert_keras").parts[0].removesuffix(".py")
        if part == "__init__":
            continue
        assert part in level_of, f"bert_keras/{part} has no place in LEVELS"
        above = {name for name, level in level_of.items() if level > level_of[part]}
        found += offences([path], lambda m, above=above: m.startswith("bert_keras.") and m.split(".")[1] in above)
        if part != "cli":
            found += offences([path], lambda m: inside(m, "pipelines", "serving"))
    assert found == []


def test_pipelines_import_neither_the_command_line_nor_the_server():
    assert offences(sources("pipelines"), lambda m: inside(m, "bert_keras.cli", "serving.server")) == []


def test_serving_does_not_need_the_library():
    assert offences(sources("serving"), lambda module: inside(module, "bert_keras", "pipelines", "keras")) == []


def test_the_client_does_not_need_tensorflow():
    assert offences(sources("serving/client"), lambda m: inside(m, "tensorflow", "serving.server")) == []


def test_import_bert_keras_is_quick_and_leaves_tensorflow_alone():
    program = (
        "import sys, time; start = time.perf_counter(); import bert_keras; took = time.perf_counter() - start; "
        "print(took, *sorted({'tensorflow', 'keras', 'numpy'} & set(sys.modules)))"
    )
    answers = [run_python("-c", program).split() for _ in range(3)]
    assert all(loaded == [] for _, *loaded in answers)
    assert min(float(took) for took, *_ in answers) < 0.3


def test_help_of_the_command_line_comes_at_once():
    """The processor time of the whole process: what a person waits for on a machine that does nothing else."""
    before = os.times()
    assert "Usage" in run_python("-c", "from bert_keras.cli import main; main()", "--help")
    after = os.times()
    assert after.children_user + after.children_system - before.children_user - before.children_system < 1


def run_python(*arguments):
    return subprocess.check_output([sys.executable, *arguments], cwd=ROOT, text=True, timeout=60).strip()
