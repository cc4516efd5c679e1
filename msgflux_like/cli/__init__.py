"""The command line: `msgflux-like run "prompt"`, and what helps to choose a model, to price it and to reach it.

Every command is a module beside this one, imported when it is asked for.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from msgflux_like import __version__
from msgflux_like.cli import values
from msgflux_like.cli.output import UsageError, echo_error, plain
from msgflux_like.errors import MsgfluxError

DEFAULT_MODEL = "local/smollm2"

_MODALITIES = ("text", "image", "audio", "video", "pdf")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0, 1 for a failure, 2 for wrong arguments, 130 when interrupted."""
    options = _parser().parse_args(_one_name(sys.argv[1:] if arguments is None else arguments))
    module, function = options.command
    try:
        status: int = getattr(import_module(f"msgflux_like.cli.{module}"), function)(options)
        sys.stdout.flush()  # here, where a reader that has gone is no trouble
    except UsageError as error:
        echo_error(f"msgflux-like {options.name}: error: {error}")
        return 2
    except MsgfluxError as error:
        echo_error(f"msgflux-like: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read us has enough; what is left goes nowhere, also at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        echo_error(f"msgflux-like: {error.filename}: {error.strerror}" if error.filename else f"msgflux-like: {error}")
        return 1
    return status


def _one_name(words: Sequence[str]) -> list[str]:
    """The words, with `models show` as one: argparse would take `show` for a text that `models` is to look for."""
    return ["models show", *words[2:]] if list(words[:2]) == ["models", "show"] else list(words)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, without control characters, though it quotes what was typed."""
        self.exit(2, plain(f"{self.prog}: error: {message} (see {self.prog} --help)").replace("\n", " ") + "\n")


_Commands = argparse._SubParsersAction  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001  it has no public name


def _command(
    commands: _Commands[_Parser], name: str, place: tuple[str, str], does: str, epilog: str | None = None
) -> argparse.ArgumentParser:
    """A parser for the command that is that function of that module."""
    parser = commands.add_parser(name, help=does, description=f"{does[0].upper()}{does[1:]}.", epilog=epilog)
    parser.set_defaults(command=place, name=parser.prog.partition(" ")[2])
    return parser


def _parser() -> _Parser:
    parser = _Parser(prog="msgflux-like", description="One call shape for every chat model.")
    parser.add_argument("--version", action="version", version=f"msgflux-like {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_run(commands)
    _add_models(commands)
    _add_providers(commands)
    _add_cost(commands)
    _add_doctor(commands)
    _add_profiles(commands)
    _add_cache(commands)
    _add_local(commands)
    return parser


def _add_run(commands: _Commands[_Parser]) -> None:
    run = _command(commands, "run", ("run", "run"), "ask a model and print its answer as it comes")
    run.add_argument("prompt", nargs="*", help="what to ask; what is piped in comes after it")
    run.add_argument(
        "-m", "--model", default=DEFAULT_MODEL, help="provider/model (default: %(default)s, no key needed)"
    )
    run.add_argument("-s", "--system", help="a system prompt")
    run.add_argument("-t", "--temperature", type=float, help="0 to 2")
    run.add_argument("--max-tokens", type=int, help="most tokens to generate")
    run.add_argument("--reasoning-effort", metavar="WORD", help="low, medium, high, or what else the model knows")
    run.add_argument("--no-stream", action="store_true", help="print the answer when it is whole")
    run.add_argument("-u", "--usage", action="store_true", help="print the token counts to standard error")
    run.add_argument(
        "--schema",
        metavar="TYPE",
        help='print JSON of this type: file.py:Type, schema.json, or fields like "name: str, age: int"',
    )
    run.add_argument("--xml", action="store_true", help="ask for typed XML, for models that write no JSON")
    run.add_argument(
        "--cache", metavar="PATH", help="answer what was asked before from there: a file, a folder or a redis:// URL"
    )
    run.add_argument(
        "--dry-run", action="store_true", help="print what would be sent, and what it may cost; send nothing"
    )


def _add_models(commands: _Commands[_Parser]) -> None:
    models = _command(
        commands,
        "models",
        ("models", "list_models"),
        "list the models of the catalogue that are all of what is asked",
        epilog="`models show provider/model` prints all that is known of one.",
    )
    models.add_argument("text", nargs="*", help="words in provider/model, name or family")
    models.add_argument("--provider", action="append", metavar="P", help="of this provider, or of one of several")
    models.add_argument("--tools", action="store_true", default=None, help="calls tools")
    models.add_argument("--reasoning", action="store_true", default=None, help="reasons before it answers")
    models.add_argument("--structured-output", action="store_true", default=None, help="keeps to a JSON schema")
    models.add_argument("--input", action="append", choices=_MODALITIES, help="takes this; again for more")
    models.add_argument("--output", action="append", choices=_MODALITIES, help="gives this; again for more")
    models.add_argument("--open-weights", action="store_true", default=None, help="its weights are published")
    for kind in ("input", "output"):
        models.add_argument(
            f"--max-{kind}-price", type=values.price, metavar="N", help=f"US dollars per million {kind} tokens, at most"
        )
    models.add_argument("--min-context", type=values.size, metavar="N", help="tokens, at least, such as 200k or 1M")
    models.add_argument("--released-after", type=values.day, metavar="DATE", help="YYYY-MM-DD, YYYY-MM or YYYY")
    models.add_argument("--status", choices=("alpha", "beta", "deprecated", "stable"))
    models.add_argument("--retired", action="store_true", help="those as well that have left the catalogue")
    models.add_argument("--sort", choices=("name", "price", "context", "date"), default="name")
    models.add_argument("--limit", type=values.at_least_one, metavar="N", help="the first N")
    models.add_argument("--json", action="store_true", help="the catalogue's entries, one a line")

    show = _command(commands, "models show", ("show", "show"), "print all that is known of a model")
    show.add_argument("model", metavar="provider/model")
    show.add_argument("--json", action="store_true", help="the catalogue's entry")


def _add_providers(commands: _Commands[_Parser]) -> None:
    providers = _command(
        commands, "providers", ("providers", "list_providers"), "list the providers, and how each is reached"
    )
    providers.add_argument("text", nargs="?", default="", help="a part of the name")
    providers.add_argument("--ready", action="store_true", help="those whose key is set, or that need none")
    providers.add_argument("--json", action="store_true", help="one object a line")


def _add_cost(commands: _Commands[_Parser]) -> None:
    cost = _command(
        commands, "cost", ("cost", "compare"), "compare what models charge for a prompt, a file or numbers of tokens"
    )
    cost.add_argument("prompt", nargs="*", help="what would be asked; what is piped in comes after it")
    cost.add_argument("-m", "--model", action="append", required=True, help="provider/model; again for more")
    cost.add_argument("--file", metavar="F", help="a text file, after the prompt")
    cost.add_argument("--tokens", type=values.in_and_out, metavar="IN/OUT", help="in place of a prompt: 1M/200k, or 1M")
    cost.add_argument("--cached", type=values.share, metavar="80%", help="of the input, from the provider's cache")
    cost.add_argument("--max-tokens", type=values.size, metavar="N", help="longest answer")
    cost.add_argument("--json", action="store_true", help="one object a line")


def _add_doctor(commands: _Commands[_Parser]) -> None:
    doctor = _command(commands, "doctor", ("doctor", "examine"), "show what is installed, set and reachable by name")
    doctor.add_argument("provider", nargs="*", help="(default: those with a row or a key)")


def _add_profiles(commands: _Commands[_Parser]) -> None:
    profiles = commands.add_parser("profiles", help="the catalogue of models")
    actions = profiles.add_subparsers(required=True, metavar="COMMAND")
    refresh = _command(actions, "refresh", ("profiles", "refresh"), "fetch the newest catalogue and use it from now on")
    refresh.add_argument("--url", help="of an api.json (default: MSGFLUX_LIKE_PROFILES_URL, else models.dev)")
    diff = _command(actions, "diff", ("profiles", "diff"), "show what changed from one catalogue to another")
    diff.add_argument("old", help="an api.json, or a folder with a snapshot")
    diff.add_argument("new", nargs="?", help="(default: the one in use)")
    _command(actions, "info", ("profiles", "info"), "show which catalogue is in use")


def _add_cache(commands: _Commands[_Parser]) -> None:
    cache = commands.add_parser("cache", help="kept answers")
    actions = cache.add_subparsers(required=True, metavar="COMMAND")
    for name, does in (
        ("stats", "show how many answers are kept, of which models, and how old they are"),
        ("clear", "forget all answers"),
        ("export", "print each answer as a line of JSON"),
    ):
        action = _command(actions, name, ("cache", name), does)
        action.add_argument(
            "--path",
            metavar="PATH",
            help="a file, a folder or a redis:// URL (default: responses.sqlite in the cache folder)",
        )


def _add_local(commands: _Commands[_Parser]) -> None:
    local = commands.add_parser("local", help="the embedded model")
    actions = local.add_subparsers(required=True, metavar="COMMAND")
    _command(actions, "setup", ("local", "setup"), "install the embedded model (98 MB)")
