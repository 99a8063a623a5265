// Requests a second of the compiled binary beside anvil, in turns: eth_blockNumber and eth_call of an ERC-20's
// balanceOf, over keep-alive connections, one request in flight on each. Usage:
//   bun test/bench/rpc/calls.ts [--seconds 2] [--rounds 3] [--connections 50] [--binary ./kora]
import { parseArgs } from "node:util";
import { encodeDeployData, encodeFunctionData } from "viem";
import { contracts } from "../../support/contracts.ts";
import { koraBinary, rpc, until } from "../../support/kora.ts";
import { ANVIL, type Contestant, startServer as start } from "../../support/servers.ts";

/** Deploys the ERC-20 and answers the body of a balanceOf call. */
async function balanceOfBody(url: string): Promise<string> {
  const [from] = (await rpc(url, "eth_accounts")).result as [`0x${string}`];
  const coin = contracts["coin"];
  if (coin === undefined) throw new Error("no ERC-20 to deploy");
  const data = encodeDeployData({ abi: coin.abi, bytecode: coin.bytecode });
  const { result: hash } = await rpc(url, "eth_sendTransaction", [{ from, data, gas: "0x500000" }]);
  const mined = async () => (await rpc(url, "eth_getTransactionReceipt", [hash])).result ?? undefined;
  const to = (await until("the ERC-20 to be mined", mined)).contractAddress as string;
  const call = encodeFunctionData({ abi: coin.abi, functionName: "balanceOf", args: [from] });
  const body = JSON.stringify({
    jsonrpc: "2.0",
    id: 1,
    method: "eth_call",
    params: [{ to, data: call }, "latest"],
  });
  const { result } = await rpc(url, "eth_call", [{ to, data: call }, "latest"]);
  if (BigInt(result) !== 10n ** 24n) throw new Error(`balanceOf answered ${result}`);
  return body;
}

interface Load {
  readonly perSecond: number;
  /** Milliseconds. */
  readonly median: number;
  readonly p99: number;
}

/** Keeps `connections` busy for `seconds` with one request each. */
async function load(url: string, body: string, connections: number, seconds: number): Promise<Load> {
  const { hostname, port } = new URL(url);
  const request = new TextEncoder().encode(
    `POST / HTTP/1.1\r\nHost: ${hostname}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  const latencies: number[] = [];
  const end = performance.now() + seconds * 1_000;
  const sockets = Array.from({ length: connections }, async () => {
    let sentAt = 0;
    const done = Promise.withResolvers<void>();
    const deadline = setTimeout(
      () => done.reject(new Error(`${url} stopped answering`)),
      (seconds + 10) * 1_000,
    );
    await Bun.connect({
      hostname,
      port: Number(port),
      socket: {
        open(socket) {
          sentAt = performance.now();
          socket.write(request);
        },
        data(socket, bytes) {
          // The answers are small: a closing brace ends each.
          if (bytes[bytes.length - 1] !== 0x7d) return;
          const now = performance.now();
          latencies.push(now - sentAt);
          if (now > end) {
            socket.end();
            done.resolve();
            return;
          }
          sentAt = now;
          socket.write(request);
        },
        error: (_, error) => done.reject(error),
      },
    });
    await done.promise.finally(() => clearTimeout(deadline));
  });
  const started = performance.now();
  await Promise.all(sockets);
  const elapsed = (performance.now() - started) / 1_000;
  latencies.sort((a, b) => a - b);
  const at = (part: number): number => latencies[Math.floor(latencies.length * part)] ?? 0;
  return { perSecond: latencies.length / elapsed, median: at(0.5), p99: at(0.99) };
}

for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(1));
const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "2" },
    rounds: { type: "string", default: "3" },
    connections: { type: "string", default: "50" },
    binary: { type: "string" },
  },
});
const seconds = Number(values.seconds);
const connections = Number(values.connections);
const kora = await start("kora", [values.binary ?? koraBinary(), "dev", "--port", "0"]);
const anvil = await start("anvil", [ANVIL, "--port", "0"]);
const contestants = [kora, anvil];
const number = '{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}';
const workloads = new Map<string, ReadonlyMap<Contestant, string>>([
  ["eth_blockNumber", new Map(contestants.map((each) => [each, number]))],
  [
    "eth_call balanceOf",
    new Map([
      [kora, await balanceOfBody(kora.url)],
      [anvil, await balanceOfBody(anvil.url)],
    ]),
  ],
]);
const middle = (loads: readonly Load[]): Load =>
  [...loads].sort((a, b) => a.perSecond - b.perSecond)[Math.floor(loads.length / 2)] as Load;

for (const [workload, bodies] of workloads) {
  const results = new Map<Contestant, Load[]>(contestants.map((each) => [each, []]));
  for (const [contestant, body] of bodies) await load(contestant.url, body, connections, 1);
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const [contestant, body] of bodies) {
      results.get(contestant)?.push(await load(contestant.url, body, connections, seconds));
    }
  }
  const [own, other] = contestants.map((each) => middle(results.get(each) ?? []));
  for (const each of contestants) {
    const { perSecond, median, p99 } = middle(results.get(each) ?? []);
    console.log(
      `${workload.padEnd(20)} ${each.name.padEnd(6)} ${Math.round(perSecond).toString().padStart(7)}/s, median ${median.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`,
    );
  }
  console.log(
    `${workload.padEnd(20)} kora/anvil ${((own?.perSecond ?? 0) / (other?.perSecond ?? 1)).toFixed(2)}`,
  );
}
process.exit(0);
