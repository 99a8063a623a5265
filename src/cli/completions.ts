// kora completions: scripts for bash, zsh and fish, made from the command table, so that they never lag behind it.
import { COMMON_FLAGS, usageError } from "./args.ts";
import type { Command, CommandRun, Flag } from "./command.ts";

const flagsOf = (command: Command): readonly Flag[] => [...command.flags, ...COMMON_FLAGS];
const quoted = (text: string): string => `'${text.replaceAll("'", "")}'`;

/** First words, and by first word the second ones. */
function words(commands: readonly Command[]): { first: string[]; second: Map<string, string[]> } {
  const second = new Map<string, string[]>();
  const first = new Set<string>();
  for (const { name } of commands) {
    const [head, tail] = name.split(" ");
    if (head === undefined || head === "") continue;
    first.add(head);
    if (tail !== undefined) second.set(head, [...(second.get(head) ?? []), tail]);
  }
  return { first: [...first], second };
}

function bash(commands: readonly Command[]): string {
  const { first, second } = words(commands);
  const groups = [...second].map(
    ([head, tails]) => `    ${quoted(head)}) next=${quoted(tails.join(" "))} ;;`,
  );
  const flags = commands.map((command) => {
    const names = flagsOf(command).map((flag) => `--${flag.name}`);
    return `    ${quoted(command.name)}) flags=${quoted(names.join(" "))} ;;`;
  });
  return `_kora() {
  local current="\${COMP_WORDS[COMP_CWORD]}" one="\${COMP_WORDS[1]}" two="\${COMP_WORDS[2]}" next="" flags=""
  case "$one" in
${groups.join("\n")}
  esac
  if [[ "$current" != -* ]]; then
    if (( COMP_CWORD == 1 )); then COMPREPLY=($(compgen -W ${quoted(first.join(" "))} -- "$current")); return; fi
    if (( COMP_CWORD == 2 )) && [[ -n "$next" ]]; then COMPREPLY=($(compgen -W "$next" -- "$current")); return; fi
    COMPREPLY=($(compgen -f -- "$current")); return
  fi
  local name="$one"
  [[ "$one" == -* ]] && name=""
  [[ -n "$next" ]] && name="$one $two"
  case "$name" in
${flags.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$flags" -- "$current"))
}
complete -F _kora kora`;
}

function zsh(commands: readonly Command[]): string {
  return `#compdef kora
autoload -U +X bashcompinit && bashcompinit
${bash(commands)}`;
}

function fish(commands: readonly Command[]): string {
  const { first, second } = words(commands);
  const lines = ["complete -c kora -f"];
  for (const head of first) {
    const summary = commands.find((command) => command.name === head)?.summary ?? "";
    lines.push(`complete -c kora -n __fish_use_subcommand -a ${head} -d ${quoted(summary)}`);
  }
  for (const [head, tails] of second) {
    const condition = quoted(`__fish_seen_subcommand_from ${head}`);
    lines.push(`complete -c kora -n ${condition} -a ${quoted(tails.join(" "))}`);
  }
  for (const command of commands) {
    const condition =
      command.name === ""
        ? "__fish_use_subcommand"
        : command.name
            .split(" ")
            .map((word) => `__fish_seen_subcommand_from ${word}`)
            .join("; and ");
    for (const flag of flagsOf(command)) {
      const short = flag.short === undefined ? "" : ` -s ${flag.short}`;
      const value = flag.value === undefined ? "" : " -r -F";
      lines.push(
        `complete -c kora -n ${quoted(condition)} -l ${flag.name}${short}${value} -d ${quoted(flag.summary)}`,
      );
    }
  }
  return lines.join("\n");
}

const SHELLS: ReadonlyMap<string, (commands: readonly Command[]) => string> = new Map([
  ["bash", bash],
  ["zsh", zsh],
  ["fish", fish],
]);

/** `kora completions bash|zsh|fish` over the given table. */
export function completions(commands: readonly Command[]): CommandRun {
  return async ({ args, out }) => {
    const shell = args.operands[0] ?? "";
    const write = SHELLS.get(shell);
    if (write === undefined) {
      const known = [...SHELLS.keys()].join(", ");
      throw usageError(`no completions for "${shell}"`, `known shells are ${known}`, "kora completions bash");
    }
    out(write(commands));
    return 0;
  };
}
