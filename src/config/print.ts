// Writes a configuration back as TOML: the effective values and where each came from. It holds no secrets: those
// stand in files of their own, and a key written in place of a path is refused when it is read.
import { formatSocketAddress, type SocketAddress } from "./kind.ts";
import type { LoadedConfig } from "./load.ts";
import { allKeys, schema, tomlName } from "./schema.ts";

function isSocketAddress(value: unknown): value is SocketAddress {
  return typeof value === "object" && value !== null && "host" in value && "port" in value;
}

function tomlValue(value: unknown): string {
  if (isSocketAddress(value)) return JSON.stringify(formatSocketAddress(value));
  if (Array.isArray(value)) return `[${value.map(tomlValue).join(", ")}]`;
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}

/** TOML of the effective configuration. Keys without a value, and sections switched off, stand as comments. */
export function printConfig(config: LoadedConfig): string {
  const lines: string[] = [];
  for (const [section, { summary }] of Object.entries(schema)) {
    const values = config.settings[section as keyof typeof schema] as Record<string, unknown> | undefined;
    lines.push(`# ${summary}`, values === undefined ? `# [${section}]` : `[${section}]`);
    for (const named of allKeys) {
      if (named.section !== section || values === undefined) continue;
      const { key } = named;
      const value = values[named.name];
      const unit = key.unit === undefined ? "" : `${key.unit}; `;
      const note = `# ${unit}${key.summary} (${config.origins.get(named.path) ?? "default"})`;
      const name = tomlName(named.name);
      if (value === undefined) lines.push(`# ${name} =  ${note}`);
      else lines.push(`${name} = ${tomlValue(value)}  ${note}`);
    }
    lines.push("");
  }
  return lines.join("\n").trimEnd();
}
