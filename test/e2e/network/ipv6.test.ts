// A network of validators that has no IPv4: peers, RPC and the operator's listener on ::1.
import { expect, test } from "bun:test";
import { until } from "../../support/kora.ts";
import { operator } from "../../support/metrics.ts";
import { ask, checkSameChain, makeNetwork, processOf, type TestNode } from "../../support/network.ts";
import { signedTransfer } from "../../support/wallet.ts";

test("on ::1 alone, a transfer sent to one of four becomes final on all", async () => {
  await using network = makeNetwork({ validators: 4, blockTime: 0.2, ipv6: true });
  await Promise.all(network.nodes.map((node) => network.start(node)));
  const raw = await signedTransfer({ account: 0, nonce: 0, value: 1n });
  const [first] = network.nodes as [TestNode];
  const hash = await ask<string>(processOf(first), "eth_sendRawTransaction", raw);
  for (const node of network.nodes) {
    const running = processOf(node);
    expect(running.host).toBe("[::1]");
    await until(`${hash} on node${node.index}`, async () => {
      return (await ask<unknown>(running, "eth_getTransactionReceipt", hash)) !== null;
    });
    await until(
      `node${node.index} is ready`,
      async () => (await operator(running, "/readyz")).status === 200,
    );
  }
  await checkSameChain(network.nodes);
  for (const node of network.nodes) await network.stop(node, "SIGTERM");
}, 60_000);
