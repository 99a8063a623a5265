// Adds what the indexes lack, slice by slice, until that is done or it is killed; says after each how far it is.
// Arguments: directory, seed.
import { openStateDb } from "#state/state.ts";
import { blockRows } from "./rows.ts";

const [directory, seedText] = process.argv.slice(2) as [string, string];
const db = openStateDb({ directory });
const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
for (let from = db.unindexed; from !== undefined; from = db.unindexed) {
  say(`${from}`);
  db.indexSome((at) => blockRows(Number(seedText), at));
  // Lets the pipe drain.
  await Bun.sleep(0);
}
say("done");
