// Opens a batch on threads and prints how many senders were found, and on how many threads none could start. Compiled
// by a test, since threads start differently inside an executable.
import { createSenderRecovery } from "#crypto/recovery.ts";
import { signRaw, transfer } from "./transactions.ts";

const lost: string[] = [];
const recovery = createSenderRecovery({ threads: 2, onThreadLost: (reason) => lost.push(reason) });
const raws = Array.from({ length: 300 }, (_, nonce) => signRaw(transfer(nonce), 7));
const opened = await recovery.open(raws, "transactions");
recovery.close();
console.log(`${opened.filter(({ kind }) => kind === "opened").length} opened, ${lost.length} lost`);
process.exit(0);
