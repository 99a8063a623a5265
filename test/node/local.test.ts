// A local chain takes what developers' tools send: the whole plan, on a real socket.
import { expect, test } from "bun:test";
import { createDevAccounts } from "#dev/accounts.ts";
import { devGenesis } from "#dev/genesis.ts";
import { runToEnd } from "#node/builder.ts";
import { createNode } from "#node/create.ts";
import { localPlan } from "#node/local.ts";
import { createLogger } from "#node/log.ts";
import { answerToLong } from "../support/kora.ts";

test("a WebSocket message may be as long as a request: a dumped state is", async () => {
  const accounts = createDevAccounts("test test test test test test test test test test test junk", 1);
  const logger = createLogger({ level: "silent", format: "json" });
  const stop = new AbortController();
  const node = await createNode(
    localPlan({
      directory: undefined,
      genesis: devGenesis({ addresses: accounts.addresses }),
      accounts,
      mode: { automine: true, interval: undefined },
      host: "127.0.0.1",
      port: 0,
      metricsPort: undefined,
      logger,
    }),
  );
  const { promise: begun, resolve } = Promise.withResolvers<void>();
  const running = runToEnd(node, stop.signal, logger, { begun: resolve });
  await begun;
  const answer = await answerToLong(`ws://127.0.0.1:${node.rpc?.addresses[0]?.port}`);
  expect(answer).toMatchObject({ id: 1, result: "0x7a69" });
  stop.abort();
  await running;
});
