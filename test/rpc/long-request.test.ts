// Long requests: what is left out, that what is answered does not depend on it, and what happens where it is no JSON.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { LONG_CHARACTERS, shorten } from "#rpc/long-request.ts";
import type { CallTask } from "#rpc/ports.ts";
import { SENDER, TOKEN } from "./fake-node.ts";
import { type Answer, harness } from "./harness.ts";

/** Strings that a reader of brackets may stumble over. */
const text = fc.oneof(
  fc.string(),
  fc.constantFrom('"', "\\", '\\"', "]}", "[{", "params", ",", "\u2028", '\\\\"'),
);
const small = fc.jsonValue({ maxDepth: 2, stringUnit: "grapheme" });
/** Lists and objects around the bound. */
const large = fc.tuple(text, fc.integer({ min: -40, max: 8 }), fc.boolean()).map(([seed, around, list]) => {
  const filled = "x".repeat(LONG_CHARACTERS + around) + seed;
  return list ? [seed, filled, [seed]] : { [seed]: filled, y: { [seed]: [] } };
});
const params = fc.array(fc.oneof({ weight: 3, arbitrary: small }, { weight: 1, arbitrary: large }), {
  maxLength: 4,
});
const request = fc
  .tuple(fc.dictionary(text, small, { maxKeys: 3 }), params, fc.boolean())
  .map(([others, own, first]) => (first ? { params: own, ...others } : { ...others, params: own }))
  .filter((made) => Array.isArray(made.params));

const isLong = (value: unknown, space: number): boolean =>
  typeof value === "object" && value !== null && JSON.stringify(value, null, space).length > LONG_CHARACTERS;

describe("shortening", () => {
  test("leaves out the long parameters of every request, and nothing else", () => {
    fc.assert(
      fc.property(fc.array(request, { minLength: 1, maxLength: 3 }), fc.boolean(), (requests, alone) => {
        const value = alone ? requests[0] : requests;
        const shortened = shorten(JSON.stringify(value));
        const judged = alone ? requests.slice(0, 1) : requests;
        if (!judged.some((one) => one.params.some((each) => isLong(each, 0)))) {
          expect(shortened).toBeUndefined();
          return;
        }
        const rest = JSON.parse(shortened?.rest ?? "");
        const expected = judged.map((one) => ({
          ...one,
          params: one.params.map((each) => (isLong(each, 0) ? {} : each)),
        }));
        expect(alone ? [rest] : rest).toEqual(JSON.parse(JSON.stringify(expected)));
        judged.forEach((one, place) => {
          const all = shortened?.parameters.get(place);
          if (all !== undefined) expect(JSON.parse(all)).toEqual(JSON.parse(JSON.stringify(one.params)));
          expect(all !== undefined).toBe(one.params.some((each) => isLong(each, 0)));
        });
      }),
      { numRuns: 300 },
    );
  });

  test("never throws, and of what is no JSON never makes JSON by leaving out what is", () => {
    const long = `[${"[],".repeat(LONG_CHARACTERS / 2)}[]]`;
    const soup = fc.array(fc.constantFrom('"params":', "[", "]", "{", "}", ",", '"', "\\", " ", "1", long), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(soup, (parts) => {
        const message = parts.join("");
        const shortened = shorten(message);
        if (shortened === undefined) return;
        const whole = (): unknown => JSON.parse(message);
        const pieces = (): unknown => {
          for (const all of shortened.parameters.values()) JSON.parse(all);
          return JSON.parse(shortened.rest);
        };
        let isJson = true;
        try {
          whole();
        } catch {
          isJson = false;
        }
        if (isJson) expect(pieces).not.toThrow();
        else expect(pieces).toThrow();
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("a long request is answered as a short one", () => {
  const slots = (count: number): Record<string, string> =>
    Object.fromEntries(
      Array.from({ length: count }, (_, i) => [`0x${i.toString(16)}`, `0x${"0".repeat(63)}1`] as const),
    );
  /** What was to be executed, of each of the three methods. */
  const asked = async (padding: string, ...call: unknown[]) => {
    const server = harness();
    const tasks: CallTask[] = [];
    server.node.calls.call = async (task) => {
      tasks.push(task);
      return { status: "success", gasUsed: 1n, output: Uint8Array.of(1), logs: [] } as never;
    };
    const estimate = async (task: CallTask) => {
      tasks.push(task);
      return { status: "estimated", gas: 21_000n } as never;
    };
    server.node.calls.estimateGas = estimate;
    const answers: unknown[] = [];
    for (const method of ["eth_call", "eth_estimateGas"]) {
      const message = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: call }).replace(
        '"padding"',
        `${padding}"padding"`,
      );
      answers.push(await server.raw(message), await server.raw(`[${message},${message}]`));
    }
    server.close();
    return { tasks, answers };
  };
  const PADDING = " ".repeat(LONG_CHARACTERS);

  test.each([
    [{ to: TOKEN, gas: "0x5208", padding: 1 }, "latest", { [SENDER]: { stateDiff: slots(3) } }],
    [{ to: TOKEN, data: "0x00" }, { blockNumber: "0x1" }, { padding: {} }, { number: "0x5" }],
    [{ to: TOKEN }, null, { [SENDER]: { state: slots(2), padding: 1 } }, { baseFee: "0x9" }],
    [{ to: TOKEN, padding: 1, gasPrice: "0x1", maxFeePerGas: "0x1" }],
    [{ to: "0x1", padding: 1 }],
    [{ to: TOKEN, padding: 1 }, "0x999"],
    [{ to: TOKEN, padding: 1 }, "latest", null, null, null],
  ] as unknown[][])("%j", async (...call) => {
    const short = await asked("", ...call);
    const long = await asked(PADDING, ...call);
    expect(long).toEqual(short);
    expect(short.answers).toHaveLength(4);
  });

  test("by methods that know nothing of it, too", async () => {
    const { raw, close } = harness();
    const ask = (junk: string): Promise<unknown> =>
      raw(
        `{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":["${SENDER}",{"blockNumber":"0x1"${junk}}]}`,
      );
    expect(await ask(`,"x":"${PADDING}"`)).toEqual(await ask(""));
    const unknown = await raw(`{"jsonrpc":"2.0","id":1,"method":"no_such","params":[{"x":"${PADDING}"}]}`);
    expect(unknown).toMatchObject({ error: { code: -32601 } });
    close();
  });

  test("and refused as no JSON where what was left out is none", async () => {
    const { raw, close } = harness();
    for (const method of ["eth_call", "eth_getBalance"]) {
      const answer = (await raw(
        `{"jsonrpc":"2.0","id":1,"method":"${method}","params":[{"to":[}],${PADDING}"x":}]}`,
      )) as Answer;
      expect(answer.error).toEqual({ code: -32700, message: "parse error" });
    }
    close();
  });
});
