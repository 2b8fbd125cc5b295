"""The command ``migkit``: thin calls of the Python interface, one module a sub-command.

Exit codes: 0 it worked; 1 the run itself failed, or a stated expectation was not met; 2 the input
is wrong (one line on the standard error stream, nothing written); 130 interrupted from the
keyboard.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from migkit.cli import (
    bench,
    calibrate,
    compare,
    lab,
    options,
    read,
    receive,
    reproduce,
    scenarios,
    send,
    simulate,
    stream,
    tap,
    validate,
)
from migkit.errors import EngineError, LabError, MigkitError, ReproduceError

OK, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

#: Errors of the run; every other error of ours says that the input is wrong.
_RUN_ERRORS = (EngineError, LabError, ReproduceError)

_EPILOG = """\
exit codes:
  0    it worked
  1    the run itself failed, or an expectation given on the command line was not met
  2    the input is wrong: one line says what, which range, and the fix; nothing is written
  130  interrupted from the keyboard

examples:
  migkit simulate --memory 8GiB --bandwidth 10Gbit/s --workload uniform:20000 --postcopy-at 3s
  migkit read captures/postcopy-hot-before
  migkit validate captures --json validation.json
  migkit compare captures/precopy-hot-tight
  migkit reproduce --out reproduction/
"""


def build_parser() -> options.Parser:
    """Build the parser of the command and all its sub-commands."""
    parser = options.Parser(
        prog="migkit",
        description="Simulate QEMU live migrations, read real ones, and compare the two.",
        epilog=_EPILOG,
    )
    parser.add_argument("--version", action=options.ShowVersion)
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", dest="command", required=True
    )
    for module in (
        simulate,
        reproduce,
        validate,
        calibrate,
        compare,
        read,
        stream,
        tap,
        receive,
        send,
        scenarios,
        bench,
        lab,
    ):
        module.add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; those of the process by default.

    Returns
    -------
    int
        The exit code, see the module's text.
    """
    words = sys.argv[1:] if argv is None else argv
    _open_closed_streams()
    try:
        parser = build_parser()
        parsed = parser.parse_known_args(options.join_negative_values(words))
        arguments = parser.known(*parsed)
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader had enough (`migkit read … | head`). Python flushes once more at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except KeyboardInterrupt:
        return _complain("interrupted", INTERRUPTED)
    except MemoryError as error:
        return _complain(f"{error or 'out of memory'} · make the guest smaller", FAILED)
    except MigkitError as error:
        return _complain(error, FAILED if isinstance(error, _RUN_ERRORS) else BAD_INPUT)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _complain(f"{where}{error.strerror or error}", FAILED)
    return code


def _open_closed_streams() -> None:
    """Let output go nowhere where the caller closed a stream (``>&-``): Python has None then."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")


def _complain(message: object, code: int) -> int:
    text = " ".join(str(message).split())
    print(f"migkit: {text}", file=sys.stderr)
    return code
