// Small durable values beside the chain, by name. Each write is its own transaction, unless some are put together.
import type { Store } from "./store.ts";
import type { Notes } from "./types.ts";

/** The notes of `store`. */
export function openNotes(store: Store): Notes {
  const select = store.prepare("SELECT value FROM notes WHERE key = ?");
  const upsert = store.prepare("INSERT OR REPLACE INTO notes(key, value) VALUES (?, ?)");
  const remove = store.prepare("DELETE FROM notes WHERE key = ?");
  const removeAll = store.prepare("DELETE FROM notes WHERE substr(key, 1, length(?1)) = ?1");
  return {
    get: (key) => select.get(key)?.[0] as Uint8Array | undefined,
    set: (key, value) => (value === undefined ? remove.run(key) : upsert.run(key, value)),
    removeAll: (prefix) => removeAll.run(prefix),
    together: (work) => store.write(work),
  };
}
