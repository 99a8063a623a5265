// Files of secrets: what a killed process left beside them is in nobody's way.
import { expect, test } from "bun:test";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { utf8 } from "#lib/bytes.ts";
import { SECRET_MODE, writeNew, writeWhole } from "#node/secret-files.ts";
import { temporaryFolder } from "../support/kora.ts";

for (const write of [writeWhole, writeNew]) {
  test(`${write.name} goes on where a process with the same number was killed`, () => {
    using folder = temporaryFolder();
    const file = join(folder.path, "share.key");
    writeFileSync(join(folder.path, `.share.key.${process.pid}.tmp`), "half of a sec", { mode: 0o644 });
    write(file, utf8("a secret"), SECRET_MODE);
    expect(readFileSync(file, "utf8")).toBe("a secret");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder.path)).toEqual(["share.key"]);
  });
}
