// A network of validators under load, measured: finality of empty blocks, transfers a second with their latency, lag
// and memory, ERC-20 transfers and swaps, ten validators, and anvil under the same generator. One command:
//   bun test/bench/network/run.ts [--seconds 600] [--rate 1000] [--binary ./kora] [--json FILE]
//     [--only finality,transfer,anvil,erc20,swap,ten,parts]
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { useBinary } from "../../support/kora.ts";
import { measureFinality } from "./finality.ts";
import { type LoadFigures, loadAnvil, loadNetwork } from "./load.ts";
import { profileNetwork } from "./profile.ts";
import { describeFinality, describeLoad, describeParts } from "./tables.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "600" },
    rate: { type: "string", default: "1000" },
    accounts: { type: "string", default: "500" },
    only: { type: "string", default: "finality,transfer,anvil,erc20,swap,ten,parts" },
    binary: { type: "string" },
    json: { type: "string" },
  },
});
/** Longest of the runs beside the one whose length is asked for. */
const SHORT_SECONDS = 60;
if (values.binary !== undefined) useBinary(values.binary);
const seconds = Number(values.seconds);
const short = Math.min(seconds, SHORT_SECONDS);
const rate = Number(values.rate);
const accounts = Number(values.accounts);
const wanted = new Set(values.only.split(","));
const results: Record<string, unknown> = {};

async function part(name: string, run: () => Promise<string>): Promise<void> {
  if (wanted.has(name)) console.log(await run());
}

function shown(name: string, figures: LoadFigures): string {
  results[name] = figures;
  return describeLoad(name, figures);
}

/**
 * The gas that anvil's blocks hold in a second. A chain whose blocks stay more than half full raises its base fee without
 * end, and what is offered then waits until it falls: with 30 million gas that is 474 swaps a second, or 880 ERC-20
 * transfers.
 */
const gasLimit = 60_000_000;
const four = { validators: 4, blockTime: 0.5, gasLimit };
const offer = (kind: "transfer" | "erc20" | "swap", perSecond: number, lasts: number) => ({
  ...{ kind, rate: perSecond, seconds: lasts, accounts },
});
await part("finality", async () => {
  const finality = await measureFinality(4, 0.05, short);
  results["finality"] = finality;
  return describeFinality(finality);
});
await part("transfer", async () =>
  shown("transfers", await loadNetwork(offer("transfer", rate, seconds), four)),
);
await part("anvil", async () => shown("transfers", await loadAnvil(offer("transfer", rate, short))));
await part("erc20", async () =>
  shown("ERC-20 transfers", await loadNetwork(offer("erc20", rate, short), four)),
);
await part("swap", async () => shown("swaps", await loadNetwork(offer("swap", rate / 2, short), four)));
await part("ten", async () =>
  shown(
    "transfers",
    await loadNetwork(offer("transfer", rate / 2, short), { validators: 10, blockTime: 0.5, gasLimit }),
  ),
);
await part("parts", async () => {
  const profiled = await profileNetwork(offer("transfer", rate / 2, short), four, useBinary);
  results["parts"] = profiled.parts;
  return describeParts(profiled);
});
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`);
process.exit(0);
