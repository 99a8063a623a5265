// Every bound of the RPC server, with its unit and where its default comes from. All of them are the operator's.

export interface RpcLimits {
  /** Bytes of one request: a real block's state as overrides is 4 MB. */
  readonly maxRequestBytes: number;
  /** Bytes of one WebSocket message, if that is less: `maxConnections` unfinished ones may be held. */
  readonly maxMessageBytes: number;
  /** Calls in one batch (geth's). A larger batch gets one `batch too large`. */
  readonly maxBatch: number;
  /** Characters of one response, batches as a whole included. */
  readonly maxResponseBytes: number;
  /** HTTP requests that are being answered, half of them of one network, and as many whose bodies are arriving. */
  readonly maxRequests: number;
  /** Milliseconds that an HTTP request has to arrive, whoever else needs the room. */
  readonly arrivalTime: number;
  /** What all requests that are being received or answered weigh, short ones and unfinished messages left out. */
  readonly maxBytesInFlight: number;
  /** Characters of all answers that are made or sent and not yet taken, short ones over HTTP left out. */
  readonly maxBytesOutgoing: number;
  /** Milliseconds that a client has to read what it was sent, whoever else needs the room. */
  readonly readingTime: number;
  /** WebSocket connections at once, half of them of one network. */
  readonly maxConnections: number;
  /** Subscriptions of one connection. */
  readonly maxSubscriptions: number;
  /** Subscriptions of all connections. */
  readonly maxAllSubscriptions: number;
  /** Requests of one connection that are being answered. */
  readonly maxInFlight: number;
  /** Bytes a connection may leave unread before it is closed. */
  readonly maxBacklogBytes: number;
  /** Filters of all clients together; the one idle longest gives way. */
  readonly maxFilters: number;
  /** Milliseconds without a poll after which a filter is forgotten (geth: five minutes). */
  readonly filterIdle: number;
  /** Blocks of one log query. */
  readonly maxLogRange: number;
  /** Results of one log query. */
  readonly maxLogResults: number;
  /** Gas of a simulated call. */
  readonly gasCap: bigint;
  /** Requests a second and address (of IPv6: /64 network), averaged, each call of a batch one; 0 is no limit. */
  readonly requestsPerSecond: number;
  /** Milliseconds `eth_sendRawTransactionSync` waits at most (EIP-7966). */
  readonly syncTimeout: number;
}

export const DEFAULT_RPC_LIMITS: RpcLimits = {
  maxRequestBytes: 16 * 1024 * 1024,
  // The largest transaction with blobs is 1.7 MB of hex. With the bound on connections: 256 MB.
  maxMessageBytes: 2 * 1024 * 1024,
  maxBatch: 1_000,
  maxResponseBytes: 64 * 1024 * 1024,
  maxRequests: 4_096,
  // geth's; a request of the largest size at 4.5 Mbit/s.
  arrivalTime: 30_000,
  maxBytesInFlight: 256 * 1024 * 1024,
  maxBytesOutgoing: 256 * 1024 * 1024,
  // An answer of the largest size at 100 Mbit/s.
  readingTime: 5_000,
  maxConnections: 128,
  maxSubscriptions: 1_024,
  maxAllSubscriptions: 10_000,
  maxInFlight: 1_024,
  maxBacklogBytes: 16 * 1024 * 1024,
  maxFilters: 10_000,
  filterIdle: 5 * 60_000,
  maxLogRange: 100_000,
  maxLogResults: 20_000,
  gasCap: 50_000_000n,
  requestsPerSecond: 0,
  syncTimeout: 30_000,
};

/** Those of a chain on the developer's machine: a message may be as long as a request, a whole dumped state among them. */
export const LOCAL_RPC_LIMITS: RpcLimits = {
  ...DEFAULT_RPC_LIMITS,
  maxMessageBytes: DEFAULT_RPC_LIMITS.maxRequestBytes,
};

/** Values in one request, as its commas, colons and opening brackets count them: what parsing it may take of the loop. */
export const MAX_REQUEST_VALUES = 262_144;
/** Addresses of one log query, and topics in one of its positions (geth's). */
export const MAX_LOG_ALTERNATIVES = 1_000;
/** Addresses and topics that all log filters, and all log subscriptions, name together: about a hundred bytes each. */
export const MAX_LOG_TERMS = 500_000;
/** A tenth of that for the subscriptions of one connection. */
export const MAX_CONNECTION_LOG_TERMS = 50_000;
/** Bytes of blocks and transactions that subscribers have not been told of yet: some seconds of full blocks. */
export const MAX_WAITING_EVENT_BYTES: number = 16 * 1024 * 1024;
/** Positions a log has topics for. */
export const MAX_TOPIC_POSITIONS = 4;
/** Blocks of one fee history (geth's). */
export const MAX_FEE_HISTORY = 1_024;
/** Percentiles of one fee history (geth's). */
export const MAX_FEE_PERCENTILES = 100;
/** Slots of one `eth_getStorageValues` (reth's). */
export const MAX_STORAGE_SLOTS = 1_024;
/** Slots of one proof, each about a tenth of a millisecond of the loop. */
export const MAX_PROOF_SLOTS = 256;
/** Hashes of pending transactions kept for filters. */
export const MAX_FILTER_CHANGES = 10_000;
/** Blocks of one answer of a block filter: each may have to be decoded. The next poll goes on. */
export const MAX_FILTER_BLOCKS = 1_000;
/** Log queries over more blocks run in a worker: each block with a hit has to be decoded. */
export const INLINE_LOG_RANGE = 4;
/** Logs, and bytes of their data, of a query that is answered without one: each log is about five microseconds. */
export const INLINE_LOGS = 200;
export const INLINE_LOG_BYTES: number = 64 * 1024;
/** Characters of an error that an answer may have whatever its bound is. */
export const ERROR_CHARACTERS: number = 64 * 1024;
/** Milliseconds of work on one request before others may run. */
export const WORK_SLICE = 8;
/** Milliseconds after which the rest of a batch is refused: well before its connection counts as idle. */
export const BATCH_TIME = 30_000;
