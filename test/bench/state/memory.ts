// Child of the bench: loads keys in a process of its own and prints resident memory at each stage.
// Arguments: directory, then key counts.
import { openStateDb } from "#state/state.ts";
import { loadKeys } from "./load.ts";

const [directory, ...stages] = process.argv.slice(2) as [string, ...string[]];
const db = openStateDb({ directory });
let held = 0;
for (const stage of stages.map(Number)) {
  loadKeys(db, held, stage);
  held = stage;
  for (let i = 0; i < 5; i++) {
    Bun.gc(true);
    await Bun.sleep(50);
  }
  console.log(`${stage} ${process.memoryUsage.rss()}`);
}
db.close();
