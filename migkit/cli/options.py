"""What the sub-commands share of their arguments."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from migkit.errors import InputError, did_you_mean

if TYPE_CHECKING:
    #: A parser, or one of its groups.
    Container = argparse._ActionsContainer

#: What ``add_subparsers`` returns; argparse gives it no public name.
Commands = Any

#: ``--json`` without a file: print to the standard output stream.
STANDARD_OUTPUT = Path("-")


class Parser(argparse.ArgumentParser):
    """A parser whose every complaint is one line, and whose help keeps its line breaks."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        kwargs.setdefault("allow_abbrev", False)
        super().__init__(*args, **kwargs)

    def error(self, message: str) -> NoReturn:
        """Raise the complaint; `migkit.cli.main` prints it."""
        text = message.removeprefix("argument ")
        raise InputError(f"{text} · see {self.prog} --help")

    def known(self, arguments: argparse.Namespace, unknown: Sequence[str]) -> argparse.Namespace:
        """Refuse words that no option took, with the nearest option that there is."""
        if unknown:
            parser: Parser = getattr(arguments, "parser", self)
            options = sorted(
                set(re.findall(r"--[a-z][a-z-]+", parser.format_usage())) | {"--help"}
            )
            word = unknown[0].partition("=")[0]
            if not word.startswith("-"):
                raise InputError.of(
                    f"{parser.prog} … {word}", "one word too many", f"see {parser.prog} --help"
                )
            raise InputError.of(
                f"{parser.prog} {word}", "not an option of it", did_you_mean(word, options)
            )
        return arguments


class ShowVersion(argparse.Action):
    """Print the version, found only when it is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str, **kwargs: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """Print and leave."""
        from migkit import __version__

        print(f"migkit {__version__}")
        parser.exit()


def join_negative_values(words: Iterable[str]) -> list[str]:
    """Join ``--option -5MiB`` into ``--option=-5MiB``.

    argparse takes a word that starts with a dash for an option and would complain of a missing
    value; joined, the value reaches the check that names it and its range.

    Examples
    --------
    >>> join_negative_values(["simulate", "--bandwidth", "-5MiB/s", "--seed", "3"])
    ['simulate', '--bandwidth=-5MiB/s', '--seed', '3']
    """
    joined: list[str] = []
    for word in words:
        after_option = joined and re.fullmatch(r"--[a-z][a-z-]*", joined[-1])
        if after_option and re.match(r"-[\d.]", word):
            joined[-1] = f"{joined[-1]}={word}"
        else:
            joined.append(word)
    return joined


def assignment(text: str) -> tuple[str, str]:
    """Split ``NAME=VALUE``.

    Examples
    --------
    >>> assignment("max-postcopy-bandwidth=10MiB/s")
    ('max-postcopy-bandwidth', '10MiB/s')
    """
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def switch(text: str) -> tuple[str, bool]:
    """Split ``NAME`` or ``NAME=on|off``.

    Examples
    --------
    >>> switch("postcopy-ram"), switch("multifd=off")
    (('postcopy-ram', True), ('multifd', False))
    """
    name, equals, value = text.partition("=")
    states = {"on": True, "true": True, "off": False, "false": False}
    if not equals:
        value = "on"
    if not name or value not in states:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME or NAME=on|off")
    return name, states[value]


def whole_number(text: str) -> int:
    """Read a whole number for an option.

    Examples
    --------
    >>> whole_number("7")
    7
    """
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} · allowed whole numbers · give one, such as 7"
        ) from None


def percentage(text: str) -> float:
    """Read a share, with or without its sign.

    Examples
    --------
    >>> percentage("1"), percentage("0.5%")
    (1.0, 0.5)
    """
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(
            f"{text!r} · allowed percentages from 0 up · give one, such as 1"
        )
    return value


def add_engine(parser: Container) -> None:
    """Add the choice of the model's implementation."""
    parser.add_argument(
        "--engine",
        choices=("compiled", "oracle"),
        default="compiled",
        help="which implementation runs: the compiled one, or the slow, readable specification "
        "of it (same results)",
    )


def add_json(parser: Container) -> None:
    """Add ``--json``, to a file or in place of the text for people."""
    parser.add_argument(
        "--json",
        metavar="FILE",
        nargs="?",
        const=STANDARD_OUTPUT,
        type=Path,
        help="write the result as JSON to FILE; without FILE (give it last then) print JSON "
        "instead of text",
    )


def add_tables(parser: Container) -> None:
    """Add the options that store a migration's tables and its trace log."""
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        help="store all tables, the summary and the trace log in this folder; it must not exist "
        "or be a result of this command",
    )
    parser.add_argument(
        "--format",
        choices=("parquet", "csv"),
        default="parquet",
        help="format of the tables in DIR (default: parquet)",
    )
    parser.add_argument(
        "--trace",
        choices=("bare", "pid", "iso"),
        metavar="bare|pid|iso",
        help="print QEMU's trace log lines instead of tables: without time stamp, with "
        "pid@seconds.microseconds:, or with an ISO time stamp",
    )


def add_by_name(
    parser: Container, capabilities: str = "switch a capability; may be repeated"
) -> None:
    """Add what is given by QEMU's name of it: ``--capability`` and ``--parameter``."""
    parser.add_argument(
        "--capability",
        dest="capabilities",
        action="append",
        type=switch,
        metavar="NAME[=on|off]",
        default=[],
        help=capabilities,
    )
    parser.add_argument(
        "--parameter",
        dest="parameters",
        action="append",
        type=assignment,
        metavar="NAME=VALUE",
        default=[],
        help="set a parameter by QEMU's name, in units: max-postcopy-bandwidth=10MiB; may be "
        "repeated",
    )


def add_qemu(parser: Container) -> None:
    """Add ``--qemu``."""
    parser.add_argument(
        "--qemu",
        metavar="PATH",
        action="append",
        default=[],
        type=Path,
        help="a QEMU of your own: its program, or a folder that its packages were extracted to; "
        "may be given twice, one for each rule",
    )


def add_figure(parser: Container) -> None:
    """Add ``--figure``, for two runs beside each other."""
    parser.add_argument(
        "--figure",
        metavar="STEM",
        type=Path,
        help="draw both runs into STEM.pdf, STEM.svg and STEM.png",
    )


def check_tls(arguments: argparse.Namespace, *names: str) -> None:
    """Refuse options of TLS without its credentials: the migration would go in the clear."""
    for name in names:
        if getattr(arguments, name) and arguments.tls_dir is None:
            option = f"--{name.replace('_', '-')}"
            raise InputError.of(option, "there is no TLS without --tls-dir", "give --tls-dir too")
