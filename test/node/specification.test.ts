// The names that the specification gives to types, methods, events and configuration keys, each where it means something.
// Types are looked at by the compiler: a name that is gone does not compile.
import { expect, test } from "bun:test";
import type { KoraApplication } from "#chain/application.ts";
import { ConsensusError } from "#chain/errors.ts";
import type { LedgerView } from "#chain/ledger.ts";
import type {
  ConsensusApplication,
  Mempool,
  SeedTracker,
  SnapshotStore,
  VerifyingApplication,
} from "#chain/ports.ts";
import { createProposalBuilder, type ProposalBuilder } from "#chain/proposal.ts";
import {
  createFinalizationReporter,
  createSeedReporter,
  type FinalizationReporter,
  type SeedReporter,
} from "#chain/reporters.ts";
import type { LedgerEvents, LedgerService } from "#chain/service.ts";
import { NodeConfig } from "#config/load.ts";
import { allKeys } from "#config/schema.ts";
import type { ThresholdScheme } from "#crypto/threshold.ts";
import { createExecutor, type EvmExecutor } from "#execution/executor.ts";
import type { BlockExecutor } from "#execution/types.ts";
import { type Node, NodeBuilder } from "#node/builder.ts";
import type { ConsensusEngine, NetworkService } from "#node/engine.ts";
import {
  type NodeRunContext,
  type NodeRunner,
  type ProductionRunner,
  productionRunner,
  RunnerError,
} from "#node/runner.ts";
import { loadThresholdScheme } from "#node/threshold-files.ts";
import { createMarshal, type Marshal } from "#node/validators/marshal.ts";
import { openNetwork } from "#node/validators/network.ts";
import { type RpcServer, startRpcServer } from "#rpc/server.ts";
import { openStateReader, type QmdbHandle } from "#state/state.ts";
import type { QmdbBatchable, QmdbGettable, StateDb } from "#state/types.ts";
import { type BootstrapConfig, NO_BOOTSTRAP } from "#types/genesis.ts";

/** Members that are named of each type. */
interface Named {
  LedgerView: Pick<LedgerView, "mempool" | "snapshots" | "seeds" | "state">;
  ConsensusApplication: Pick<ConsensusApplication, "propose" | "verify" | "finalize">;
  VerifyingApplication: Pick<VerifyingApplication, "propose" | "verify">;
  /** And RevmApplication: one application, on the EVM that this language has. */
  KoraApplication: Pick<KoraApplication, "propose" | "verify" | "finalize">;
  ProposalBuilder: Pick<ProposalBuilder, "build">;
  Mempool: Mempool;
  SnapshotStore: Pick<SnapshotStore, "insert" | "markPersisted" | "isPersisted" | "prune">;
  SeedTracker: Pick<SeedTracker, "insert" | "get">;
  BlockExecutor: BlockExecutor;
  /** RevmExecutor. */
  EvmExecutor: Pick<EvmExecutor, "open" | "rules">;
  StateDb: StateDb;
  QmdbGettable: QmdbGettable;
  QmdbBatchable: QmdbBatchable;
  QmdbHandle: QmdbHandle;
  FinalizationReporter: Pick<FinalizationReporter, "report">;
  SeedReporter: Pick<SeedReporter, "report">;
  Marshal: Marshal;
  NetworkService: NetworkService;
  ConsensusEngine: ConsensusEngine;
  RpcServer: RpcServer;
  LedgerService: Pick<LedgerService, "submitTx">;
  LedgerEvents: Pick<LedgerEvents, "transactionSubmitted" | "seedUpdated" | "snapshotPersisted">;
  NodeConfig: NodeConfig;
  NodeBuilder: Pick<NodeBuilder, "withChainId" | "withDataDir" | "build">;
  Node: Pick<Node, "consensus" | "application" | "network" | "rpc" | "run" | "shutdown">;
  NodeRunner: Pick<NodeRunner, "run">;
  NodeRunContext: Pick<NodeRunContext, "settings" | "openTransport">;
  ProductionRunner: Pick<ProductionRunner, "run" | "withRpc" | "runStandalone">;
  ThresholdScheme: Pick<ThresholdScheme, "participants">;
  BootstrapConfig: Pick<BootstrapConfig, "allocations" | "transactions">;
}

test("every type of the specification has its members", () => {
  const one: Partial<Named> = { BootstrapConfig: NO_BOOTSTRAP };
  expect(one.BootstrapConfig?.allocations.size).toBe(0);
});

test("what makes them is a function by the same name, or creates or opens one", () => {
  const makers = [
    createExecutor,
    openStateReader,
    createProposalBuilder,
    createFinalizationReporter,
    createSeedReporter,
    createMarshal,
    openNetwork,
    startRpcServer,
    loadThresholdScheme,
    productionRunner,
    NodeConfig.load,
    NodeBuilder.fromToml,
  ];
  for (const maker of makers) expect(maker).toBeFunction();
  const runner = productionRunner(undefined, 1_337, 30_000_000, NO_BOOTSTRAP);
  const serving = runner.withRpc(undefined, { host: "127.0.0.1", port: 0 });
  for (const each of [runner.run, runner.runStandalone, serving.run]) expect(each).toBeFunction();
});

test("its errors are errors with a code", () => {
  const diverged = new ConsensusError("it failed", { code: "STATE_DIVERGED" });
  expect(diverged).toMatchObject({ name: "ConsensusError", code: "STATE_DIVERGED" });
  expect(new RunnerError("it failed", { code: "TEST" })).toMatchObject({ name: "RunnerError", code: "TEST" });
});

test.each([
  "node.chain_id",
  "node.data_dir",
  "consensus.validator_key",
  "consensus.threshold",
  "consensus.participants",
  "network.listen_addr",
  "network.dialable_addr",
  "network.bootstrap_peers",
  "execution.gas_limit",
  "execution.block_time",
  "rpc.http_addr",
  "rpc.ws_addr",
])("the configuration has %s", (name) => {
  expect(allKeys.map(({ path }) => path)).toContain(name);
});
