"""`clipal completion`: a script with which a shell completes clipal's commands, options and names."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Final

from twisted.python import usage

from clipal.commands.described import VALUES, Described, Option, commands, program
from clipal.commands.options import CommandOptions, hint


class Options(CommandOptions):
    """For which shell."""

    synopsis = "Usage: clipal completion [options] bash|zsh|fish"
    longdesc = "Prints a script with which the shell completes clipal's commands, options and names."
    names = ("bash", "zsh", "fish")

    def parseArgs(self, *shells: str) -> None:
        """Takes the shell's name."""
        if len(shells) != 1:
            raise usage.UsageError(f"it takes the name of one shell: {', '.join(SCRIPTS)}")
        if shells[0] not in SCRIPTS:
            raise usage.UsageError(f"there is no script for {shells[0]!r}; {hint(shells[0], SCRIPTS, 'there are')}")
        self["shell"] = shells[0]


def run(options: Options) -> int:
    """Prints it: the exit status."""
    sys.stdout.write(SCRIPTS[options["shell"]]())
    return 0


def bash() -> str:
    """For bash."""
    return f"""\
# bash completion for clipal, as `clipal completion bash` prints it.
_clipal() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} command="" words="" each
    for each in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case $each in
            {"|".join(each.name for each in commands())}|help) command=$each; break ;;
        esac
    done
    case $previous in
        {_pattern(lambda option: option.is_directory)})
            compopt -o filenames 2>/dev/null
            local IFS=$'\\n'
            COMPREPLY=($(compgen -d -- "$word")); return ;;
{"".join(_bash_values(name, values) for name, values in VALUES.items())}\
        {_pattern(lambda option: not option.is_directory and not option.values)}) COMPREPLY=(); return ;;
    esac
    case $command in
{"".join(_bash_case(each) for each in commands())}\
        help) words="{" ".join(each.name for each in commands())}" ;;
        *) words="{" ".join([*(each.name for each in commands()), "help", *_words(program())])}" ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -F _clipal clipal
"""


def _bash_case(each: Described) -> str:
    return f'        {each.name}) words="{" ".join([*each.names, *_words(each)])}" ;;\n'


def _bash_values(name: str, values: Iterable[str]) -> str:
    pattern = _pattern(lambda option: option.long == name)
    return f'        {pattern}) COMPREPLY=($(compgen -W "{" ".join(values)}" -- "$word")); return ;;\n'


def _pattern(is_meant: Callable[[Option], bool]) -> str:
    """A pattern of those options that are followed by a value and are meant."""
    found = {
        word: None
        for each in [program(), *commands()]
        for option in each.options
        if option.takes_value and is_meant(option)
        for word in option.words
    }
    return "|".join(found)


def _words(each: Described) -> list[str]:
    return [word for option in each.options for word in option.words]


def zsh() -> str:
    """For zsh."""
    listed = "\n".join(f"    {_quoted(f'{each.name}:{each.text}')}" for each in commands())
    cases = "".join(_zsh_case(each) for each in commands())
    return f"""\
#compdef clipal
# zsh completion for clipal, as `clipal completion zsh` prints it.
_clipal() {{
  local context state state_descr line
  typeset -A opt_args
  local -a commands=(
{listed}
    'help:tell more of a command'
  )
  _arguments -C \\
{_zsh_options(program())}    '1: :->command' '*:: :->arguments'
  case $state in
    command) _describe -t commands 'clipal command' commands ;;
    arguments)
      case $words[1] in
{cases}        help) _describe -t commands 'clipal command' commands ;;
      esac ;;
  esac
}}
if [[ $funcstack[1] == _clipal ]]; then _clipal "$@"; else compdef _clipal clipal; fi
"""


def _zsh_case(each: Described) -> str:
    names = f"'*: :({' '.join(each.names)})'" if each.names else "'*: :'"
    return f"        {each.name})\n          _arguments \\\n{_zsh_options(each, 12)}            {names} ;;\n"


def _zsh_options(each: Described, indent: int = 4) -> str:
    return "".join(
        f"{' ' * indent}{_zsh_option(option, word)} \\\n" for option in each.options for word in option.words
    )


def _zsh_option(option: Option, word: str) -> str:
    text = option.text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
    known = "_directories" if option.is_directory else f"({' '.join(option.values)})" if option.values else ""
    value = f": :{known}" if option.takes_value else ""
    sign = ("=" if word.startswith("--") else "+") if option.takes_value else ""
    return _quoted(f"*{word}{sign}[{text}]{value}")


def fish() -> str:
    """For fish."""
    known = " ".join(each.name for each in commands())
    lines = ["# fish completion for clipal, as `clipal completion fish` prints it.", "complete -c clipal -f"]
    none = f"not __fish_seen_subcommand_from {known} help"
    lines += [f"complete -c clipal -n {_fish(none)} -a {each.name} -d {_fish(each.text)}" for each in commands()]
    lines.append(f"complete -c clipal -n {_fish(none)} -a help -d 'tell more of a command'")
    lines.append(f"complete -c clipal -n '__fish_seen_subcommand_from help' -a {_fish(known)}")
    lines += _fish_options(none, program())
    for each in commands():
        seen = f"__fish_seen_subcommand_from {each.name}"
        if each.names:
            lines.append(f"complete -c clipal -n {_fish(seen)} -a {_fish(' '.join(each.names))}")
        lines += _fish_options(seen, each)
    return "\n".join(lines) + "\n"


def _fish_options(condition: str, each: Described) -> Iterable[str]:
    for option in each.options:
        short = f" -s {option.short}" if option.short else ""
        value = " -x" if option.takes_value else ""
        value += " -a '(__fish_complete_directories)'" if option.is_directory else ""
        value += f" -a '{' '.join(option.values)}'" if option.values else ""
        yield f"complete -c clipal -n {_fish(condition)} -l {option.long}{short}{value} -d {_fish(option.text)}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _fish(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


SCRIPTS: Final[dict[str, Callable[[], str]]] = {"bash": bash, "zsh": zsh, "fish": fish}
