// The part of JSON Schema that the Ethereum OpenRPC document uses. Anything else in a schema is an error here, so
// that no constraint is silently skipped.

type Schema = Readonly<Record<string, unknown>>;

const KNOWN = new Set([
  "title",
  "description",
  "default",
  "examples",
  "type",
  "pattern",
  "enum",
  "const",
  "oneOf",
  "anyOf",
  "allOf",
  "properties",
  "required",
  "additionalProperties",
  "items",
  "minimum",
  "maximum",
  "minItems",
  "maxItems",
  "minLength",
  "maxLength",
]);

function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return typeof value === "number" && Number.isInteger(value) ? "integer" : typeof value;
}

function typeErrors(schema: Schema, value: unknown, at: string): string[] {
  const wanted = schema["type"];
  if (wanted === undefined) return [];
  const found = typeOf(value);
  const allowed = Array.isArray(wanted) ? wanted : [wanted];
  const fits = allowed.includes(found) || (found === "integer" && allowed.includes("number"));
  return fits ? [] : [`${at}: ${found}, not ${allowed.join(" or ")}`];
}

function scalarErrors(schema: Schema, value: unknown, at: string): string[] {
  const errors: string[] = [];
  const { pattern, minimum, maximum } = schema;
  if (typeof pattern === "string" && typeof value === "string" && !new RegExp(pattern).test(value)) {
    errors.push(`${at}: ${value.slice(0, 40)} does not match ${pattern}`);
  }
  if (Array.isArray(schema["enum"]) && !schema["enum"].includes(value)) errors.push(`${at}: not in enum`);
  if ("const" in schema && schema["const"] !== value) errors.push(`${at}: not ${String(schema["const"])}`);
  if (typeof minimum === "number" && typeof value === "number" && value < minimum)
    errors.push(`${at}: < ${minimum}`);
  if (typeof maximum === "number" && typeof value === "number" && value > maximum)
    errors.push(`${at}: > ${maximum}`);
  return errors;
}

function objectErrors(schema: Schema, value: object, at: string): string[] {
  const errors: string[] = [];
  const properties = (schema["properties"] ?? {}) as Record<string, Schema>;
  for (const name of (schema["required"] ?? []) as string[]) {
    if (!(name in value)) errors.push(`${at}: ${name} is missing`);
  }
  const rest = schema["additionalProperties"];
  for (const [name, item] of Object.entries(value)) {
    const own = properties[name];
    if (own !== undefined) errors.push(...schemaErrors(own, item, `${at}.${name}`));
    else if (rest === false) errors.push(`${at}: ${name} is not allowed`);
    else if (typeof rest === "object" && rest !== null) {
      errors.push(...schemaErrors(rest as Schema, item, `${at}.${name}`));
    }
  }
  return errors;
}

function choiceErrors(schema: Schema, value: unknown, at: string): string[] {
  const errors: string[] = [];
  for (const part of (schema["allOf"] ?? []) as Schema[]) errors.push(...schemaErrors(part, value, at));
  for (const name of ["oneOf", "anyOf"]) {
    const choices = schema[name] as Schema[] | undefined;
    if (choices === undefined) continue;
    const results = choices.map((choice) => schemaErrors(choice, value, at));
    if (results.some((found) => found.length === 0)) continue;
    const nearest = results.reduce((a, b) => (b.length < a.length ? b : a));
    errors.push(`${at}: none of ${choices.length} alternatives; nearest: ${nearest.slice(0, 4).join("; ")}`);
  }
  return errors;
}

/** What is wrong with `value`; empty when it fits. */
export function schemaErrors(schema: Schema, value: unknown, at = "$"): string[] {
  const unknown = Object.keys(schema).filter((key) => !KNOWN.has(key));
  if (unknown.length > 0) throw new Error(`schema keywords not understood: ${unknown.join(", ")}`);
  const errors = [...typeErrors(schema, value, at), ...scalarErrors(schema, value, at)];
  errors.push(...choiceErrors(schema, value, at));
  if (Array.isArray(value)) {
    const items = schema["items"] as Schema | undefined;
    if (items !== undefined)
      errors.push(...value.flatMap((item, i) => schemaErrors(items, item, `${at}[${i}]`)));
  } else if (typeof value === "object" && value !== null) {
    errors.push(...objectErrors(schema, value, at));
  }
  return errors;
}
