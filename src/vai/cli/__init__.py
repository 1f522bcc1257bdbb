"""The command line: a thin shell around the library, one module per command.

Standard output carries results and nothing else. Every error is one sentence on standard error, with a hint and
the exit code of its class (`vai.errors`). What nobody foresaw is one sentence too; `VAI_TRACEBACK=1` shows where
it happened.
"""

from __future__ import annotations

import difflib
import errno
import os
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import NoReturn, TextIO

import click

from vai._version import __version__
from vai.errors import Interrupted, VaiError

COMMANDS = (
    "ingest",
    "query",
    "rerank",
    "status",
    "collections",
    "index",
    "delete",
    "export",
    "cache",
    "eval",
    "tune",
    "diff",
    "testset",
    "judge",
    "calibrate",
    "models",
    "spending",
    "doctor",
)
EPILOG = (
    "Exit codes: 0 fine, 1 it ran and found nothing or a check failed, 2 wrong use, 3 a part is missing or "
    "unreachable, 130 interrupted."
)
UNFORESEEN = 3
NO_OUTPUT = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})


class _Commands(click.Group):
    """Each command is in a module of its own, which is imported when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"vai.cli.{cmd_name}"), cmd_name)
        return command


@click.group(
    cls=_Commands,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="vai", message="%(prog)s %(version)s")
def cli() -> None:
    """Find the few passages that answer a question, in two stages: similar vectors and the words of the question
    cast a wide net, and a reranker reads every candidate together with the question.

    \b
    vai ingest docs/
    vai query "How do I configure replica sets?"
    """  # noqa: D301 - the backslash tells click to keep the lines


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    _prepare_streams()
    _let_idle_threads_sleep()
    try:
        exit_code = _run(sys.argv[1:] if arguments is None else list(arguments))
    except BrokenPipeError:  # whoever read our output has gone, and wants no complaint
        _abandon_output()
        exit_code = 0
    if arguments is None and _is_still_at_work():
        _end_at_once(exit_code)
    sys.exit(exit_code)


def _let_idle_threads_sleep() -> None:
    """Tell OpenBLAS, which NumPy compares vectors with, that its threads are to sleep as soon as they are idle.

    They would spin for a while after every search, just when stage 2 needs the cores. To be said before NumPy is
    imported; the number is the logarithm of the processor's ticks to spin for, and 4 is the least there is
    (`THREAD_TIMEOUT` in OpenBLAS's Makefile.rule). Whoever has set it keeps it.
    """
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")


def _is_still_at_work() -> bool:
    """Whether a model is being loaded or asked in a thread that nobody waits for, as after an error or Ctrl-C."""
    return any(thread.daemon for thread in threading.enumerate())


def _end_at_once(exit_code: int) -> NoReturn:
    """End the process without ending the interpreter, which native code in other threads does not survive.

    Before Python 3.14 such a thread is ended when it comes back from native code, and aborts the process.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(exit_code)


def _run(arguments: list[str]) -> int:
    try:
        outcome = cli.main(arguments, prog_name="vai", standalone_mode=False, obj=arguments)
        sys.stdout.flush()
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help(), err=True)
        return error.exit_code
    except click.ClickException as error:
        return _complain(*_wrong_use(error, arguments), error.exit_code)
    except Interrupted as error:
        click.echo(err=True)  # below the ^C that the terminal shows, as click does itself
        return _complain(error.message, error.hint, error.exit_code)
    except VaiError as error:
        return _complain(error.message, error.hint, error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return _complain("stopped", None, 130)
    except SystemExit as ended:  # so click ends when whoever read our output has gone
        raise BrokenPipeError from ended
    except BrokenPipeError:
        raise
    except OSError as error:
        return _refused(error)
    except Exception as error:  # noqa: BLE001 - a user is owed a sentence, whatever it was
        return _unforeseen(error)
    return outcome if isinstance(outcome, int) else 0


def _complain(message: str, hint: str | None, exit_code: int) -> int:
    click.echo(f"error: {message}", err=True)
    if hint:
        click.echo(f"hint: {hint}", err=True)
    return exit_code


# ── wrong use, as the parser of the arguments sees it ──


def _wrong_use(error: click.ClickException, arguments: Sequence[str]) -> tuple[str, str]:
    """Message and hint."""
    command = " ".join(["vai", *(word for word in arguments[:1] if word in COMMANDS)])
    show = f"`{command} --help` shows what can be said"
    nearest = next(iter(getattr(error, "possibilities", None) or _near_commands(arguments)), None)
    guess = f"did you mean `{nearest}`? " if nearest else ""
    match error:
        case click.exceptions.NoSuchOption():
            dash = "" if nearest else "put `--` before a text that begins with a dash; "
            return f"there is no flag `{error.option_name}`", f"{guess}{dash}{show}"
        case click.exceptions.UsageError() if guess:
            return _plain(error.message), f"{guess}{show}"
        case _:
            return _plain(error.format_message()), show


def _near_commands(arguments: Sequence[str]) -> list[str]:
    """The commands that may be meant by a first word that is none."""
    unknown = [word for word in arguments[:1] if word not in COMMANDS and not word.startswith("-")]
    return difflib.get_close_matches(unknown[0], COMMANDS, n=1) if unknown else []


def _plain(message: str) -> str:
    """A message as ours are: without a final period, and a capital only where a whole word stands in capitals."""
    begin = message[:1] if message[1:2].isupper() else message[:1].lower()
    return begin + message[1:].rstrip(".")


# ── what nobody foresaw ──


def _refused(error: OSError) -> int:
    """The operating system would not read or write something, in most cases our output."""
    if os.environ.get("VAI_TRACEBACK"):
        raise error
    if error.filename is not None:
        what = f"`{error.filename}` cannot be read or written"
    elif error.errno in NO_OUTPUT:
        what = "the output cannot be written"
        _abandon_output()
    else:
        return _unforeseen(error)
    return _complain(f"{what}: {error.strerror}", None, UNFORESEEN)


def _unforeseen(error: Exception) -> int:
    if os.environ.get("VAI_TRACEBACK"):
        raise error
    said = " ".join(f"{type(error).__name__}: {error}".split())[:300].rstrip(": ")
    return _complain(
        f"vai met something that it did not foresee: {said}",
        "`vai doctor --check` looks for what is wrong here; with VAI_TRACEBACK=1 in the environment the same "
        "command shows where it happened, which is what a bug report needs",
        UNFORESEEN,
    )


# ── streams ──


def _prepare_streams() -> None:
    """Make the standard streams take whatever is printed, even where one of them is closed."""
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _abandon_output() -> None:
    """Send what is still buffered nowhere, so that it cannot fail once more when the interpreter ends."""
    with _nowhere() as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _nowhere() -> TextIO:
    return os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
