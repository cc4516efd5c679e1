"""The types that users see: the documents' examples and a typed program pass mypy and pyright, and mistakes do not.

Each checker runs once, over all files together.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.test_documents import BLOCK, PAGES, ROOT

HERE = Path(__file__).parent
TYPED = "public_api"

# What a reader forgives a short example: functions without annotations, with the unknown types that come of them, and a
# value that is read without a check for None. The typed program is checked without these exceptions.
MYPY_OF_EXAMPLES = """\
[mypy]
strict = True
allow_redefinition = True
[mypy-msgflux_like.*]
follow_imports = silent
[mypy-pages.*]
strict_optional = False
allow_untyped_defs = True
allow_incomplete_defs = True
allow_untyped_calls = True
disallow_any_generics = False
"""
PYRIGHT_OF_EXAMPLES = (
    "reportMissingParameterType",
    "reportUnknownParameterType",
    "reportUnknownArgumentType",
    "reportUnknownLambdaType",
    "reportUnknownMemberType",
    "reportUnknownVariableType",
    "reportMissingTypeArgument",
    "reportOptionalMemberAccess",
    "reportMatchNotExhaustive",
)
# A mistake in a line of its own each; both checkers have to find it in that line.
MISTAKES = {
    "option of a model": 'mf.Model.chat_completion("openai/gpt-4o", temprature=3)',
    "option of a text model": 'mf.Model.text_completion("openai/gpt-3.5-turbo-instruct", temprature=3)',
    "option of an embedder": 'mf.Model.text_embedder("openai/text-embedding-3-small", dimension=3)',
    "option of a call": 'model("q", temprature=3)',
    "field of an answer": 'model("q", generation_schema=City).parsed.naem',
    "option of a client": 'mf.Client(provider="openai", time_out=3)',
    "parameter of the client": 'client.chat.completions.create(model="m", messages=[], temprature=3)',
    "type of a parameter": 'client.chat.completions.create(model="m", messages=[], temperature="hot")',
    "message that is a string": 'client.chat.completions.create(model="m", messages="q")',
    "parameter of embeddings": 'client.embeddings.create(model="m", input="q", dimension=3)',
}


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """A folder with one module for each page, the typed program, and one line for each mistake."""
    folder = tmp_path_factory.mktemp("typed")
    (folder / "pages").mkdir()
    (folder / "pages/__init__.py").touch()
    for page in PAGES:
        if blocks := BLOCK.findall(page.read_text(encoding="utf-8")):
            name = re.sub(r"\W", "_", page.stem)
            (folder / f"pages/{name}.py").write_text("\n".join(blocks), encoding="utf-8")
    shutil.copy(HERE / f"{TYPED}.py", folder)
    head = "import msgflux_like as mf\nfrom msgspec import Struct\nclass City(Struct):\n    name: str\n"
    head += "model: mf.ChatCompletion\nclient: mf.Client\n"
    (folder / "mistakes.py").write_text(head + "\n".join(MISTAKES.values()) + "\n", encoding="utf-8")
    return folder


def checked(command, folder):
    environment = {**os.environ, "MYPYPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=85, cwd=folder, env=environment, check=False)
    return done.stdout


@pytest.fixture(scope="module")
def found_by_mypy(program):
    if find_spec("mypy") is None:
        pytest.skip("mypy is not installed")
    (program / "mypy.ini").write_text(MYPY_OF_EXAMPLES, encoding="utf-8")
    output = checked([sys.executable, "-m", "mypy", "--output=json", "--no-incremental", "."], program)
    reports = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    assert reports, output
    return [(each["file"], each["line"], each["message"]) for each in reports if each["severity"] == "error"]


@pytest.fixture(scope="module")
def found_by_pyright(program):
    if find_spec("pyright") is None:
        pytest.skip("pyright is not installed")
    forgiven = "".join(f"# pyright: {rule}=false\n" for rule in PYRIGHT_OF_EXAMPLES)
    for page in program.glob("pages/*.py"):
        page.write_text(forgiven + page.read_text(encoding="utf-8"), encoding="utf-8")
    config = {"include": ["."], "typeCheckingMode": "strict", "extraPaths": [str(ROOT)], "pythonVersion": "3.11"}
    (program / "pyrightconfig.json").write_text(json.dumps(config), encoding="utf-8")
    output = checked([sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable], program)
    if not output.startswith("{"):
        pytest.skip("pyright does not run here")
    return [
        (Path(each["file"]).relative_to(program).as_posix(), each["range"]["start"]["line"] + 1, each["message"])
        for each in json.loads(output)["generalDiagnostics"]
        if each["severity"] == "error"
    ]


@pytest.fixture(params=["mypy", "pyright"])
def found(request):
    """What one checker found: file, line and message of each error."""
    return request.getfixturevalue(f"found_by_{request.param}")


def listed(found, start):
    return "\n".join(f"{file}:{line}: {message}" for file, line, message in found if file.startswith(start))


def test_the_examples_of_the_documents_have_the_types_they_say(found):
    assert listed(found, "pages/") == ""


def test_a_program_with_types_passes(found):
    assert listed(found, f"{TYPED}.py") == ""


def test_a_mistake_is_found_in_its_line(found, program):
    lines = (program / "mistakes.py").read_text(encoding="utf-8").splitlines()
    wrong = {lines[line - 1] for file, line, _ in found if file == "mistakes.py"}
    assert [what for what, code in MISTAKES.items() if code not in wrong] == []
