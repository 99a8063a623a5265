// Namespaces of the kernel for tests: a program runs itself again where it may mount small disks and make machines of
// its own, joined by a bridge. All of it ends with the program; nothing of this machine's network or disks is touched.
import { mkdirSync } from "node:fs";
import type { TestHost } from "./network.ts";

const INSIDE = "KORA_TEST_SANDBOX";
/** Programs of the distribution that are needed: util-linux, mount, iproute2, nftables. */
const PROGRAMS = ["unshare", "mount", "ip", "nft"] as const;
const NETWORK = "10.99.0";
const OWN_ADDRESS: string = `${NETWORK}.254`;
/** nft's default place is not in every user's PATH. */
const PATH: string = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`;

/** Whether this process is inside. */
export const insideSandbox: boolean = process.env[INSIDE] === "true";

function run(command: readonly string[], input = ""): string {
  const done = Bun.spawnSync([...command], { stdin: new TextEncoder().encode(input), env: { PATH } });
  if (!done.success) throw new Error(`${command.join(" ")}: ${done.stderr.toString().trim()}`);
  return done.stdout.toString();
}

/** As root a new set of namespaces is enough; others become root of one of their own. Nothing outlives its first process. */
function unshare(): string[] {
  const own = process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"];
  return ["unshare", ...own, "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"];
}

/** Programs that are not installed; nothing works without them. */
export function missingPrograms(): readonly string[] {
  return PROGRAMS.filter((name) => Bun.which(name, { PATH }) === null);
}

/** Why there can be no sandbox here; undefined where there can. */
export function sandboxObstacle(): string | undefined {
  const missing = missingPrograms();
  if (missing.length > 0) return `no ${missing.join(", ")} on this machine`;
  const trial =
    "mount -t tmpfs none /run && ip link add br0 type bridge && ip netns add n0 && nft add table inet t";
  const tried = Bun.spawnSync([...unshare(), "sh", "-c", trial], { env: { PATH } });
  return tried.success ? undefined : tried.stderr.toString().trim();
}

/** Runs this program again, inside; answers its exit code. */
export async function enterSandbox(): Promise<number> {
  const child = Bun.spawn([...unshare(), ...process.execArgv, process.execPath, ...process.argv.slice(1)], {
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, PATH, [INSIDE]: "true" },
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
  return await child.exited;
}

/** What is common to everything inside, once: a loopback, a bridge, and a place for the machines' names. */
export function prepareSandbox(): void {
  run(["mount", "-t", "tmpfs", "none", "/run"]);
  run(["ip", "link", "set", "lo", "up"]);
  run(["ip", "link", "add", "br0", "type", "bridge"]);
  run(["ip", "address", "add", `${OWN_ADDRESS}/24`, "dev", "br0"]);
  run(["ip", "link", "set", "br0", "up"]);
}

/** Makes a disk of so many megabytes in memory, at `path`. */
export function mountDisk(path: string, megabytes: number): void {
  mkdirSync(path, { recursive: true });
  run(["mount", "-t", "tmpfs", "-o", `size=${megabytes}m`, "none", path]);
}

export function unmountDisk(path: string): void {
  run(["umount", "--lazy", path]);
}

/** Machines on one bridge, and what their firewalls drop. */
export interface TestHosts extends Disposable {
  readonly hosts: readonly TestHost[];
  /** Lets nothing from `from` into `to`; nobody is told. */
  block(from: number, to: number): void;
  /** Drops so many percent of the packets that come to `to` from the other machines, at random. */
  lose(to: number, percent: number): void;
  /** Packets that the rules since the last healing have dropped. */
  dropped(): number;
  /** Lets everything through. */
  heal(): void;
}

/** Makes `count` machines: network namespaces, each behind a veth. */
export function makeHosts(count: number): TestHosts {
  const names = Array.from({ length: count }, (_, index) => `n${index}`);
  const prefix = (index: number): readonly string[] => ["ip", "netns", "exec", names[index] as string];
  const addressOf = (index: number): string => `${NETWORK}.${index + 1}`;
  for (const [index, name] of names.entries()) {
    run(["ip", "netns", "add", name]);
    run(["ip", "link", "add", `v${index}`, "type", "veth", "peer", "name", "eth0", "netns", name]);
    run(["ip", "link", "set", `v${index}`, "master", "br0", "up"]);
    run(["ip", "-n", name, "address", "add", `${addressOf(index)}/24`, "dev", "eth0"]);
    for (const device of ["eth0", "lo"]) run(["ip", "-n", name, "link", "set", device, "up"]);
    run(
      [...prefix(index), "nft", "-f", "-"],
      "table inet faults {\nchain arriving { type filter hook input priority 0;\n}\n}\n",
    );
  }
  const rule = (to: number, text: string): string =>
    run([...prefix(to), "nft", "-f", "-"], `add rule inet faults arriving ${text}\n`);
  return {
    hosts: names.map((_, index) => ({ address: addressOf(index), prefix: prefix(index) })),
    block: (from, to) => void rule(to, `ip saddr ${addressOf(from)} counter drop`),
    lose: (to, percent) =>
      void rule(
        to,
        `ip saddr != ${OWN_ADDRESS} iifname eth0 numgen random mod 100 < ${percent} counter drop`,
      ),
    dropped() {
      const rules = names.map((_, index) =>
        run([...prefix(index), "nft", "list chain inet faults arriving"]),
      );
      const counters = [...rules.join("").matchAll(/counter packets (\d+)/g)];
      return counters.reduce((sum, [, packets]) => sum + Number(packets), 0);
    },
    heal() {
      for (const index of names.keys()) run([...prefix(index), "nft", "flush chain inet faults arriving"]);
    },
    [Symbol.dispose]() {
      for (const [index, name] of names.entries()) {
        // The kernel takes its time with a namespace's devices; their names are wanted again.
        run(["ip", "link", "delete", `v${index}`]);
        run(["ip", "netns", "delete", name]);
      }
    },
  };
}
